// README's commands, run as they are written, in a fresh copy of the sources with nothing installed.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../src/ports.ts';
import { until } from './platform.ts';

const repository = resolve(import.meta.dirname, '../..');
const installTimeoutMs = 240_000;

let clone: string;
let port: number;
let env: NodeJS.ProcessEnv;

/** The commands of README's shell blocks, without their comments. */
async function commandsOfReadme(): Promise<readonly string[]> {
  const readme = await readFile(join(repository, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1] ?? '');
  return blocks
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** Runs one line in a shell as a user would; the port is the only thing that differs. */
function shell(line: string): string {
  return execFileSync('bash', ['-c', line.replaceAll(':8080', `:${port}`)], { cwd: clone, env, encoding: 'utf8', timeout: 60_000 });
}

beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'burgage-readme-'));
  port = await freePort('127.0.0.1');
  // What git would have: tracked files, and new ones that are not ignored.
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: repository,
    encoding: 'utf8',
  }).split('\0');
  for (const file of files.filter((name) => name !== '')) {
    await mkdir(dirname(join(clone, file)), { recursive: true });
    // A file that was removed and not yet committed is still listed.
    await cp(join(repository, file), join(clone, file)).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  // The user's own Node, not the project's: `npm test` has put that first on the PATH.
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const kept = Object.entries(inherited).filter(
    ([name]) => !name.startsWith('npm_') && !name.startsWith('VITEST') && !name.startsWith('BURGAGE_'),
  );
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  env = { ...Object.fromEntries(kept), PATH: path.join(delimiter), BURGAGE_PORT: String(port) };
});

afterAll(() => rm(clone, { recursive: true, force: true }));

describe('README', () => {
  test('tells commands that work as written in a fresh clone', { timeout: installTimeoutMs }, async () => {
    const [start, testCommand, ...rest] = await commandsOfReadme();
    expect(start).toBe('npm start');
    expect(testCommand).toBe('npm test');
    const platform = spawn('npm', ['start'], { cwd: clone, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    platform.stdout.on('data', (chunk) => (output += chunk));
    platform.stderr.on('data', (chunk) => (output += chunk));
    try {
      await until('npm start says ready', async () => /^ready/m.test(output) || platform.exitCode !== null, installTimeoutMs);
      expect(output).toMatch(/^ready/m);
      const said = rest.map((line) => [line, shell(line)] as const);
      const outputOf = (part: string): string => said.find(([line]) => line.includes(part))?.[1] ?? '';
      expect(outputOf('tenants create')).toContain(`http://grosse-sohne.localhost:${port}`);
      expect(outputOf('curl')).toContain('Größe &amp; Söhne GmbH');
      expect(outputOf('tenants list')).toContain('grosse-sohne');
      expect(outputOf('explain')).toContain('desk-shared');
    } finally {
      // Ctrl-C reaches the whole foreground group.
      if (platform.exitCode === null && platform.pid) {
        process.kill(-platform.pid, 'SIGINT');
        await once(platform, 'exit');
      }
    }
    expect(output).toContain('stopped');
  });
});
