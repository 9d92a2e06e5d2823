import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claims, startJwks } from './testing.ts';

const source = dirname(import.meta.dirname);
const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
const nodeModules = dirname(typescript);
let folder: string;
let installed: string;

/** What a vendor has after installing the tarball: the kit's compiled files, and beside them only what it depends on. */
beforeAll(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'app-kit-package-'));
  const built = join(folder, 'built');
  const build = spawnSync(process.execPath, [join(source, 'build.ts'), built], { encoding: 'utf8' });
  expect(build.status, build.stdout + build.stderr).toBe(0);
  const packed = spawnSync('npm', ['pack', '--offline', '--ignore-scripts', '--pack-destination', folder], {
    cwd: built,
    encoding: 'utf8',
  });
  expect(packed.status, packed.stderr).toBe(0);
  installed = join(folder, 'node_modules', '@burgage', 'app-kit');
  mkdirSync(installed, { recursive: true });
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  expect(spawnSync('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components=1']).status).toBe(0);
  mkdirSync(join(folder, 'node_modules', '@hono'));
  for (const name of ['jose', 'hono', '@hono/node-server', '@types'])
    symlinkSync(join(nodeModules, name), join(folder, 'node_modules', name));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

test('the tarball holds compiled files and their types, no sources and no tests, and may be published', () => {
  const files = readdirSync(installed);
  expect(files.filter((name) => !/\.(js|d\.ts)$/.test(name))).toEqual(['LICENSE', 'README.md', 'package.json']);
  expect(files.filter((name) => name.includes('test'))).toEqual([]);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  expect(manifest).not.toHaveProperty('private');
  expect(Object.keys(manifest.dependencies)).toEqual(['jose']);
  for (const { types, default: file } of Object.values<{ types: string; default: string }>(manifest.exports))
    expect(files).toEqual(expect.arrayContaining([types.slice(2), file.slice(2)]));
});

test('the example in the README runs on the installed package, each tenant with its own rows', async () => {
  const [, example = ''] = /```js\n(.*?)```/s.exec(readFileSync(join(source, 'README.md'), 'utf8')) ?? [];
  writeFileSync(join(folder, 'app.mjs'), example);
  await using jwks = await startJwks(() => new Date());
  const env = {
    BURGAGE_APP_ADDRESS: '127.0.0.1:0',
    BURGAGE_UPSTREAM: 'notes',
    BURGAGE_JWKS_URL: jwks.url,
    BURGAGE_APP_DATA: join(folder, 'data'),
  };
  const app = spawn(process.execPath, [join(folder, 'app.mjs')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      app.stdout.once('data', (chunk) => resolve(String(chunk)));
      app.once('exit', (code) => reject(new Error(`the example stopped with ${code}`)));
    });
    const url = `http://127.0.0.1:${/listening on (\d+)/.exec(line)?.[1]}`;
    const platform = { authorization: `Bearer ${await jwks.issuer.platform('notes')}` };
    const contextOf = async (sub: string) => ({ 'burgage-context': await jwks.issuer.tenantContext({ ...claims, sub }, 'notes') });
    for (const id of ['ten_a', 'ten_b']) {
      const body = JSON.stringify({ slug: id.slice(4), name: id, color: '#000000' });
      expect((await fetch(`${url}/_burgage/tenants/${id}`, { method: 'PUT', headers: platform, body })).status).toBe(200);
    }
    expect((await fetch(`${url}/notes`, { method: 'POST', headers: await contextOf('ten_a'), body: 'Hello' })).status).toBe(201);
    const texts = async (id: string) =>
      ((await (await fetch(`${url}/notes?q=hello`, { headers: await contextOf(id) })).json()) as { rows: { text: string }[] }).rows.map(
        ({ text }) => text,
      );
    expect(await texts('ten_a')).toEqual(['Hello']);
    expect(await texts('ten_b')).toEqual([]);
    expect((await fetch(`${url}/notes`)).status).toBe(401);
  } finally {
    app.removeAllListeners('exit');
    app.kill();
  }
});

test('its types are found by a TypeScript program, and know the columns of a table', () => {
  const program = `import { defineTable, type TenantHandle } from '@burgage/app-kit';
import { tenantContext } from '@burgage/app-kit/hono';
import { tenantContext as forExpress } from '@burgage/app-kit/express';
const notes = defineTable({ name: 'notes', columns: { text: 'text', size: 'integer?' } });
export const text = (data: TenantHandle): string | undefined => data.table(notes).get('1')?.text;
export const size = (data: TenantHandle): number | null | undefined => data.table(notes).insert({ id: '1', text: '' }).size;
// @ts-expect-error text may not be null
export const wrong = (data: TenantHandle) => data.table(notes).insert({ id: '1', text: null });
// @ts-expect-error there is no such column
export const unknown = (data: TenantHandle) => data.table(notes).list({ where: { tenant_id: 'x' } });
export { forExpress, tenantContext };
`;
  writeFileSync(join(folder, 'program.ts'), program);
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node', 'program.ts'];
  const checked = spawnSync(process.execPath, [join(typescript, 'bin', 'tsc'), ...options], { cwd: folder, encoding: 'utf8' });
  expect(checked.stdout).toBe('');
});
