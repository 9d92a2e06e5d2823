// What leaves the repository works outside of it: both tarballs are packed, installed into an empty folder and used.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const workspaces = ['cli', 'packages/app-kit'];
let folder: string;

/** Runs a program in `cwd` and answers with what it printed. */
function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'burgage-packages-'));
  const tarballs = join(folder, 'tarballs');
  mkdirSync(tarballs);
  for (const workspace of workspaces) {
    run(join(root, workspace), process.execPath, 'build.ts');
    run(join(root, workspace, 'dist'), 'npm', 'pack', '--silent', '--pack-destination', tarballs);
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'elsewhere', private: true, type: 'module' }));
  const files = readdirSync(tarballs).map((name) => join(tarballs, name));
  run(folder, 'npm', 'install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...files);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(['burgage', '@burgage/app-kit'])('the package of %s holds no source and depends on no workspace', (name) => {
  const installed = join(folder, 'node_modules', name);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  expect(Object.keys(manifest.dependencies).filter((dependency) => dependency.startsWith('@burgage/'))).toEqual([]);
  expect(manifest).not.toHaveProperty('private');
  expect(existsSync(join(installed, 'LICENSE'))).toBe(true);
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))).toEqual([]);
});

test('the installed command says its version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'cli/package.json'), 'utf8'));
  expect(run(folder, process.execPath, 'node_modules/burgage/bin/burgage.js', '--version')).toContain(version);
  expect(existsSync(join(folder, 'node_modules/.bin', process.platform === 'win32' ? 'burgage.cmd' : 'burgage'))).toBe(true);
  // Threads of the gateway begin with a file of their own.
  expect(existsSync(join(folder, 'node_modules/burgage/bin/gateway-worker.js'))).toBe(true);
});

test('app-kit is usable from plain JavaScript', () => {
  writeFileSync(
    join(folder, 'app.js'),
    `import { createContextIssuer, generateContextKey } from '@burgage/app-kit';
import '@burgage/app-kit/hono';
import '@burgage/app-kit/express';
const issuer = createContextIssuer([await generateContextKey()], { now: () => new Date() });
console.log(issuer.jwks().keys.length, (await issuer.platform('desk')).split('.').length);
`,
  );
  expect(run(folder, process.execPath, 'app.js').trim()).toBe('1 3');
});
