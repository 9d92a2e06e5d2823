// What the shared app of the default catalog may and may not read.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { permittedArguments } from './app-permissions.ts';

const repository = resolve(import.meta.dirname, '../..');
let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'burgage-permissions-')));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('an app reads its code and its data, and neither writes elsewhere nor reads secrets nor starts processes', () => {
  const app = join(folder, 'app');
  const data = join(folder, 'data');
  mkdirSync(app);
  mkdirSync(data);
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'secret'), 'secret');
  writeFileSync(
    join(app, 'main.js'),
    `import { readFileSync, writeFileSync } from 'node:fs';
     import { spawnSync } from 'node:child_process';
     const tried = (action) => { try { action(); return 'allowed'; } catch (error) { return error.code; } };
     console.log(JSON.stringify([
       tried(() => readFileSync('${join(app, 'main.js')}')),
       tried(() => writeFileSync('${join(data, 'x')}', '')),
       tried(() => readFileSync('${join(data, 'x')}')),
       tried(() => writeFileSync('${join(app, 'x')}', '')),
       tried(() => readFileSync('${join(folder, 'secret')}')),
       tried(() => spawnSync('true')),
     ]));`,
  );
  const said = execFileSync(process.execPath, permittedArguments(join(app, 'main.js'), data), { encoding: 'utf8' });
  expect(JSON.parse(said)).toEqual(['allowed', 'allowed', 'allowed', 'ERR_ACCESS_DENIED', 'ERR_ACCESS_DENIED', 'ERR_ACCESS_DENIED']);
});

test('desk is allowed its linked packages, and not the repository itself, where a data folder may lie', () => {
  const allowed = permittedArguments(join(repository, 'examples/desk/src/main.ts'), join(folder, 'data'));
  expect(allowed).toContain(`--allow-fs-read=${join(repository, 'packages/app-kit')}`);
  expect(allowed).toContain(`--allow-fs-read=${join(repository, 'examples/desk')}`);
  expect(allowed).not.toContain(`--allow-fs-read=${repository}`);
});
