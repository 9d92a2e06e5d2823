// What `npm run bench:gateway` says before anything is started, and how it counts.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';
import { type Case, cases } from './cases.ts';
import { readOptions } from './options.ts';
import { median, type Result, table } from './results.ts';
import { judge } from './targets.ts';

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

test('--help lists every case and says which ones the quick form has', () => {
  const { code, stdout, stderr } = run('--help');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const { name, quick } of cases) expect(stdout).toMatch(new RegExp(`^ {2}${name} +${quick ? '\\* ' : ''}\\w`, 'm'));
});

test.each([
  [['--only', 'websockets'], '--only: got "websockets", did you mean websocket?'],
  [['--peers', 'nginx,varnish'], '--peers: got "varnish", expected some of nginx, nginx-defaults, haproxy, caddy, node-net'],
  [['--runs', '0'], '--runs: got "0", expected a whole number from 1 to 1000'],
  [['--seconds', '1.5'], '--seconds: got "1.5", expected a whole number from 1 to 1000'],
  [['--fast'], "Unknown option '--fast'"],
])('%j is an error that says what was expected, exit code 2, and starts nothing', (args, message) => {
  const { code, stdout, stderr } = run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.startsWith(`error: ${message}`)).toBe(true);
});

test('the quick form takes the marked cases, --full all of them, --only those it names, and we always take part', () => {
  const names = (words: readonly string[]) => readOptions(words).cases.map(({ name }) => name);
  expect(names([])).toEqual(cases.filter(({ quick }) => quick).map(({ name }) => name));
  expect(names(['--full'])).toEqual(cases.map(({ name }) => name));
  expect(names(['--only', 'websocket,hosts-100'])).toEqual(['hosts-100', 'websocket']);
  const { contestants, runs, seconds } = readOptions(['--peers', 'caddy', '--runs', '2', '--seconds', '7']);
  expect({ names: contestants.map(({ name }) => name), runs, seconds }).toEqual({ names: ['burgage', 'caddy'], runs: 2, seconds: 7 });
});

test.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[4, 1, 2, 3], 2.5],
])('the median of %j is %d', (values, middle) => {
  expect(median(values)).toBe(middle);
});

/** `cpu` of each run, and what others had of the core meanwhile. */
function result(name: string, contestant: string, ...runs: (readonly [cpu: number, othersShare?: number])[]): Result {
  const found = cases.find((one) => one.name === name) as Case;
  return {
    case: found,
    contestant,
    runs: runs.map(([cpu, othersShare = 0]) => ({ cpuMicroseconds: cpu, perSecond: 1_000, othersShare })),
    pssMiB: 10,
  };
}

/** The cells of each row from the case to the CPU's ratio. */
function rowsOf(...results: Result[]): readonly (readonly string[])[] {
  const [, , ...rows] = table(results).split('\n');
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, 5)
      .map((cell) => cell.trim()),
  );
}

test('the table shows of each its CPU and the ratio to nginx in the same case', () => {
  expect(rowsOf(result('hosts-1000', 'burgage', [18]), result('hosts-1000', 'nginx', [15]), result('websocket', 'burgage', [6]))).toEqual([
    ['keep-alive, 1,000 hosts', 'burgage', '18.0', '1.20'],
    ['keep-alive, 1,000 hosts', 'nginx', '15.0', '1.00'],
    ['WebSocket messages of 64 B', 'burgage', '6.0', ''],
  ]);
});

test('what counts is the median of the half of the runs that others disturbed least, whatever these show', () => {
  const runs = [
    [40, 0],
    [10, 0.5],
    [20, 0.1],
    [11, 0.9],
    [30, 0.2],
  ] as const;
  expect(rowsOf(result('hosts-1000', 'nginx', ...runs))[0]?.[2]).toBe('30.0');
});

test('the ratio is the median of those within the turns that others disturbed least, as machines are not equally fast in all', () => {
  const ours = [[20], [44], [60], [30, 0.5], [30, 0.5]] as const;
  const theirs = [[20], [40], [50], [10], [10]] as const;
  expect(rowsOf(result('hosts-1000', 'burgage', ...ours), result('hosts-1000', 'nginx', ...theirs))[0]?.slice(2)).toEqual(['44.0', '1.10']);
});

test('a target is judged where both of its sides were measured, and only there', () => {
  const results = [
    result('hosts-1000', 'burgage', [17]),
    result('hosts-1000', 'nginx', [16]),
    result('hosts-1000', 'caddy', [50]),
    result('websocket', 'burgage', [6]),
  ];
  expect(judge(results)).toEqual([
    { line: 'met     keep-alive, 1,000 hosts, beside nginx: 1.06, at most 1.10', isMet: true },
    { line: 'missed  keep-alive, 1,000 hosts, beside Caddy: 0.34, at most 0.33', isMet: false },
  ]);
});

describeWithLab('a run', ['nginx', 'wrk'], () => {
  test('measures both sides, and nothing fails', () => {
    const { code, stdout, stderr } = run('--only', 'hosts-100', '--peers', 'nginx', '--runs', '1', '--seconds', '1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of ['burgage', 'nginx'])
      expect(stdout).toMatch(new RegExp(`^\\| keep-alive, 100 hosts \\| ${name} +\\| +[1-9][\\d.,]* \\| +\\d+\\.\\d\\d \\| +[1-9]`, 'm'));
    expect(stdout).toMatch(/^medians of the quieter half of 1 runs of 1 s, in turns; took \d+ s$/m);
  });
});
