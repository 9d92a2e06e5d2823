// bin/burgage.js on a Node that reads no TypeScript.
import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let clone: string;
beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'burgage-clone-'));
  for (const folder of ['cli/bin', 'cli/src', 'node_modules/.bin']) await mkdir(join(clone, folder), { recursive: true });
  await writeFile(join(clone, 'package.json'), '{"type": "module"}');
  await copyFile(join(import.meta.dirname, '..', 'bin', 'burgage.js'), join(clone, 'cli/bin/burgage.js'));
  await writeFile(
    join(clone, 'cli/src/main.ts'),
    'const words: readonly string[] = process.argv.slice(2);\nconsole.log(JSON.stringify([process.env.BY, ...words]));\nprocess.exitCode = 7;\n',
  );
});
afterEach(() => rm(clone, { recursive: true, force: true }));

/** The command of the clone, on this Node with or without its reading of TypeScript. */
function burgage(nodeFlags: readonly string[], ...args: string[]) {
  return spawnSync(process.execPath, [...nodeFlags, join(clone, 'cli/bin/burgage.js'), ...args], { encoding: 'utf8' });
}
const asOldNode = ['--no-strip-types'];

test.skipIf(process.platform === 'win32')('the Node of the clone takes over, with words and exit code as they are', async () => {
  const projectNode = join(clone, 'node_modules/.bin/node');
  await writeFile(projectNode, `#!/bin/sh\nBY=project exec '${process.execPath}' "$@"\n`);
  await chmod(projectNode, 0o755);
  const { status, stdout, stderr } = burgage(asOldNode, 'tenants', 'two words', '*');
  expect([status, stderr]).toEqual([7, '']);
  expect(JSON.parse(stdout)).toEqual(['project', 'tenants', 'two words', '*']);
  expect(JSON.parse(burgage([], 'plans').stdout)).toEqual([null, 'plans']);
});

test('without one, a sentence says what is needed', () => {
  const { status, stdout, stderr } = burgage(asOldNode, 'plans');
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: burgage runs from its source and needs Node 22\.18 or later; this is Node .+\n$/);
});
