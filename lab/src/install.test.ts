// Tests of installations: once, whole or not at all, whoever else is at it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LabError } from './errors.ts';
import { install } from './install.ts';
import type { Build } from './product.ts';
import { fakeBuild } from './testing/fake-build.ts';

let cache: string;
let children: ChildProcess[];

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'burgage-lab-cache-'));
  children = [];
  vi.stubEnv('BURGAGE_LAB_CACHE', cache);
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(cache, { recursive: true, force: true });
});

/** A process that installs the fake product. */
function installer(): { readonly child: ChildProcess; readonly said: () => string; readonly ended: Promise<unknown> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testing/fake-build.ts')], {
    env: { ...process.env, BURGAGE_LAB_CACHE: cache },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk));
  return { child, said: () => said, ended: once(child, 'close') };
}

async function attempts(): Promise<readonly string[]> {
  const text = await readFile(join(cache, 'attempts'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

const patient = { timeout: 20_000 } as const;

async function expectWhole(): Promise<void> {
  expect(await readdir(join(cache, 'fake/1.0'))).toEqual(['first', 'second']);
  // Nothing else is left but the log of what was run, which is nothing.
  expect(await readdir(join(cache, 'fake'))).toEqual(['1.0']);
}

test('two processes at once make one build, and who waits says for whom', async () => {
  const first = installer();
  await expect.poll(attempts, patient).toHaveLength(1);
  const second = installer();
  await expect.poll(second.said, patient).toContain(`waiting for process ${first.child.pid}, which installs fake 1.0`);
  await writeFile(join(cache, 'go'), '');
  await Promise.all([first.ended, second.ended]);
  for (const { child, said } of [first, second]) {
    expect(child.exitCode).toBe(0);
    expect(said()).toContain(join(cache, 'fake/1.0'));
  }
  expect(await attempts()).toEqual([String(first.child.pid)]);
  await expectWhole();
});

test("what a killed process has begun is nobody's: who waits for it takes over", async () => {
  const first = installer();
  await expect.poll(attempts, patient).toHaveLength(1);
  const second = installer();
  await expect.poll(second.said, patient).toContain('waiting for');
  expect(existsSync(join(cache, 'fake/1.0'))).toBe(false);
  first.child.kill('SIGKILL');
  await first.ended;
  await expect.poll(attempts, patient).toHaveLength(2);
  await writeFile(join(cache, 'go'), '');
  await second.ended;
  expect(second.child.exitCode).toBe(0);
  await expectWhole();
});

test('what is installed is not installed again', async () => {
  await writeFile(join(cache, 'go'), '');
  const said: string[] = [];
  const folder = await install(fakeBuild, { say: (line) => said.push(line) });
  expect(said).toEqual(['installing fake 1.0 (usually 1 s) …', expect.stringMatching(/^installed fake 1\.0 in \d+ s$/)]);
  expect(await install(fakeBuild, { say: (line) => said.push(line) })).toBe(folder);
  expect(said).toHaveLength(2);
  expect(await attempts()).toHaveLength(1);
});

test('an installation that fails leaves nothing but its log, says how the program ended, and can be tried again', async () => {
  const script = "console.log('half of it'); console.error('no such thing'); process.exit(3)";
  const failing: Build = {
    ...fakeBuild,
    async install(folder, { run }) {
      await writeFile(join(folder, 'first'), '');
      await run(process.execPath, ['-e', script]);
    },
  };
  const failure = await install(failing, { say: () => {} }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(LabError);
  expect(String(failure)).toMatch(/fake 1\.0 could not be installed.*ended with code 3:\n {2}half of it\n {2}no such thing/s);
  expect(String(failure)).toContain(join(cache, 'fake/1.0.log'));
  expect(await readdir(join(cache, 'fake'))).toEqual(['1.0.log']);
  expect(await readFile(join(cache, 'fake/1.0.log'), 'utf8')).toContain('no such thing');
  await writeFile(join(cache, 'go'), '');
  await install(fakeBuild, { say: () => {} });
  await expectWhole();
});

test('a program of an installation gets its input, and what it prints comes back', async () => {
  let printed = '';
  const build: Build = {
    ...fakeBuild,
    async install(_, { run, scratch }) {
      const script = 'process.stdin.pipe(process.stdout); console.log(process.cwd() + process.env.WORD)';
      printed = await run(process.execPath, ['-e', script], { cwd: scratch, env: { WORD: ' word' }, input: 'input' });
    },
  };
  const folder = await install(build, { say: () => {} });
  expect(printed).toBe(`${folder}.scratch word\ninput`);
});

test('what this machine cannot have is said with the reason, and nothing is made for it', async () => {
  vi.stubEnv('PATH', cache);
  const failure = await install({ ...fakeBuild, needs: ['go'] }, { say: () => {} }).catch((error: unknown) => error);
  expect(failure).toEqual(new LabError('fake 1.0 cannot be installed here: it needs Go, and there is no `go` on the PATH'));
  expect(await readdir(cache)).toEqual([]);
});
