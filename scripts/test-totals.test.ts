// Tests of the closing line of .ci/run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'burgage-totals-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The last line and the exit code for a report (none where undefined) after checks and tests that ended with `status`. */
function totals(report: object | undefined, status: number): [string | undefined, number | null] {
  const file = join(folder, report === undefined ? 'none.json' : 'report.json');
  if (report !== undefined) writeFileSync(file, JSON.stringify(report));
  const { stdout, status: code } = spawnSync(process.execPath, [join(import.meta.dirname, 'test-totals.mjs'), file, String(status)], {
    encoding: 'utf8',
  });
  return [stdout.trimEnd().split('\n').at(-1), code];
}

const passed = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const broken = { name: 'a.test.ts', status: 'failed', assertionResults: [] };
const report = {
  numTotalTests: 3,
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  success: true,
  testResults: [passed],
};

test.each([
  ['all is well', report, 0, '3 passed, 0 failed', 0],
  ['some are skipped', { ...report, numPassedTests: 1, numPendingTests: 1, numTodoTests: 1 }, 0, '1 passed, 0 failed, 2 skipped', 0],
  ['one fails', { ...report, numPassedTests: 2, numFailedTests: 1, success: false }, 1, '2 passed, 1 failed', 1],
  ['a file cannot run', { ...report, success: false, testResults: [passed, broken] }, 1, '3 passed, 1 failed', 1],
  ['a check fails', report, 1, '3 passed, 1 failed', 1],
  ['the tests leave no report', undefined, 1, '0 passed, 1 failed', 1],
])('%s', (_, given, status, line, code) => {
  expect(totals(given, status)).toEqual([line, code]);
});

test('a report without any test is a failure', () => {
  expect(totals({ ...report, numPassedTests: 0, numTotalTests: 0, testResults: [] }, 0)).toEqual(['0 passed, 1 failed', 1]);
});
