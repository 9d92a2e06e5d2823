// Tests of what happens to tests that need servers where there are none.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** Has an empty cache and no `go` on its PATH. */
let folder: string;

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-lab-tests-'));
  await mkdir(join(folder, 'cache'));
  const source = `
    import { describeWithLab } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
    describeWithLab('a store', ['nats', { server: 'mongo', options: { fsync: false } }], (lab) => {
      test('stores', () => expect(lab.server('nats').url).toBeTruthy());
      describe('inside', () => test('finds', () => {}));
    });
    test('needs nothing', () => {});
  `;
  await writeFile(join(folder, 'store.test.ts'), source);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What one run said to programs and to people. */
async function runTests(lab: string): Promise<{ readonly report: Report; readonly output: string }> {
  const vitest = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs');
  const outputFile = join(folder, 'report.json');
  const args = [vitest, 'run', '--root', folder, '--globals', '--reporter=json', '--reporter=default', `--outputFile=${outputFile}`];
  const env = { HOME: folder, PATH: join(folder, 'empty'), BURGAGE_LAB_CACHE: join(folder, 'cache'), LAB: lab };
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  await once(child, 'close');
  return { report: JSON.parse(await readFile(outputFile, 'utf8')), output };
}

function names(report: Report): readonly string[] {
  return report.testResults.flatMap(({ assertionResults }) => assertionResults.map(({ fullName, status }) => `${status}: ${fullName}`));
}

test('without LAB, tests whose servers are not installed are skipped by name, with the reason, and counted', async () => {
  const { report } = await runTests('');
  expect(report).toMatchObject({ success: true, numPassedTests: 1, numFailedTests: 0, numPendingTests: 2 });
  expect(names(report)).toEqual([
    'skipped: a store (needs nats, mongo, not possible here: needs Go, and there is no `go` on the PATH) stores',
    'skipped: a store (needs nats, mongo, not possible here: needs Go, and there is no `go` on the PATH) inside finds',
    'passed: needs nothing',
  ]);
});

test('LAB=off skips them in any case', async () => {
  const { report } = await runTests('off');
  expect(names(report)).toContain('skipped: a store (LAB=off) stores');
});

test('LAB=required makes them fail where a server cannot be had, with the reason', async () => {
  const { report, output } = await runTests('required');
  expect(report.success).toBe(false);
  expect(output).toMatch(/nats \S+ cannot be installed here: it needs Go/);
  expect(names(report)).toContain('passed: needs nothing');
});

test('any other LAB is an error that names what it can be', async () => {
  const { report } = await runTests('yes');
  expect(report.success).toBe(false);
  expect(report.testResults[0]?.message).toContain('LAB: got "yes", expected required, off or nothing');
});
