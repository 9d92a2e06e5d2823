// What `npm run test:faults` says before anything is started, and how its table names what went wrong.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { faults } from './faults.ts';
import { type Row, table } from './table.ts';

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

test('--help lists every fault', () => {
  const { code, stdout, stderr } = run('--help');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const { name } of faults) expect(stdout).toContain(`  "${name}"\n`);
});

test.each([
  [['nope'], 'nope: is no fault; expected some of\n  "kill -9 registry-1"\n'],
  [['kill -9 the app', 'restart NATZ'], 'restart NATZ: is no fault; did you mean "restart NATS"?\n'],
  [['--all'], '--all: is no option; expected some of\n'],
])('%j is an error with what there is, exit code 2, and starts nothing', (args, message) => {
  const { code, stdout, stderr } = run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.startsWith(`error: ${message}`)).toBe(true);
  expect(stderr).not.toMatch(/^ +at /m);
});

test('the table says of each fault that all was well, or everything that was not', () => {
  const row: Row = {
    fault: 'restart NATS',
    sent: 60,
    failed: 0,
    brokenOff: 0,
    asked: 1,
    started: 1,
    ended: 1,
    greenMs: 700,
    complaints: [],
  };
  const late = { ...row, fault: 'restart MongoDB', greenMs: 12_340, complaints: ['green only after 12.3 s', 'stuck: op_1 running'] };
  const [, ...lines] = table([row, late]).split('\n');
  expect(lines[0]).toMatch(/^restart NATS .* 0\.7 s {2}ok$/);
  expect(lines[1]).toMatch(/^restart MongoDB .* 12\.3 s {2}FAILED: green only after 12\.3 s; stuck: op_1 running$/);
});
