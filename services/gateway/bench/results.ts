// What was measured of each case and contestant, and the table that shows it.
import type { Case } from './cases.ts';

/** One run of one contestant. */
export interface Run {
  /** CPU of all processes of the proxy for each request or message. */
  readonly cpuMicroseconds: number;
  readonly perSecond: number;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** How much of the proxies' core others had meanwhile, from 0 to 1: they cost every proxy its caches. */
  readonly othersShare: number;
}

export interface Result {
  readonly case: Case;
  readonly contestant: string;
  readonly runs: readonly Run[];
  /** Of all processes of the proxy, after the runs. */
  readonly pssMiB: number;
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [below = Number.NaN, above = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return (below + above) / 2;
}

/** The half that was disturbed least: which of them count is not decided by what they show. */
function quieterHalf<T extends Pick<Run, 'othersShare'>>(runs: readonly T[]): readonly T[] {
  return runs.toSorted((a, b) => a.othersShare - b.othersShare).slice(0, Math.ceil(runs.length / 2));
}

export function cpuOf({ runs }: Result): number {
  return median(quieterHalf(runs).map(({ cpuMicroseconds }) => cpuMicroseconds));
}

/**
 * How many times as much CPU it takes. Machines are faster in one second and slower in the next: so what counts is the median of
 * the ratios within each turn, where both were measured in turns.
 */
export function ratioOf(result: Result, beside: Result): number {
  if (result.case !== beside.case || result.runs.length !== beside.runs.length) return cpuOf(result) / cpuOf(beside);
  const turns = result.runs.map((run, turn) => {
    const other = beside.runs[turn] as Run;
    return { ratio: run.cpuMicroseconds / other.cpuMicroseconds, othersShare: Math.max(run.othersShare, other.othersShare) };
  });
  return median(quieterHalf(turns).map(({ ratio }) => ratio));
}

/** What the ratios are to. */
const measure = 'nginx';

const head = ['case', 'proxy', 'CPU µs', `× ${measure}`, 'per second', 'p50 ms', 'p99 ms', 'PSS MiB', 'others %'];

/** As a table of Markdown that reads well as text too. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { case: one, contestant, runs, pssMiB } = result;
    const beside = results.find((other) => other.case === one && other.contestant === measure);
    const shown = (read: (run: Run) => number | undefined, digits: number): string => {
      const values = quieterHalf(runs).flatMap((run) => read(run) ?? []);
      return values.length === 0 ? '' : number(median(values), digits);
    };
    return [
      one.what,
      contestant,
      number(cpuOf(result), 1),
      beside === undefined ? '' : number(ratioOf(result, beside), 2),
      shown(({ perSecond }) => perSecond, 0),
      shown(({ p50Ms }) => p50Ms, 2),
      shown(({ p99Ms }) => p99Ms, 2),
      number(pssMiB, 0),
      shown(({ othersShare }) => 100 * othersShare, 0),
    ];
  });
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number): boolean => column < 2;
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)));
    return `| ${padded.join(' | ')} |`;
  };
  const rule = `|${widths.map((width, column) => `${'-'.repeat(width + 1)}${isText(column) ? '-' : ':'}`).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

export function number(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
