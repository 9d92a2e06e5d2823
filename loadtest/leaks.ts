// Whether what a process holds stays level over a long run: judged by its slope, told in words.
import type { Held } from './gateway-probe.ts';

/** What the gateway held at a moment of the run. */
export interface Sample extends Held {
  /** Since the load began. */
  readonly atMs: number;
  readonly rssBytes: number;
}

export interface LeakVerdict {
  readonly line: string;
  readonly isFlat: boolean;
}

const mebi = 2 ** 20;
const hourMs = 3_600_000;
/** What a shorter run would come to in an hour is a guess. */
const shownSpanMs = hourMs / 4;

/** How much may be more at the end of a run than at its begin: noise of a collector, not a leak that matters. */
const growthMiBMax = { heap: 8, buffers: 8, rss: 48 } as const;
/** Of the run, at its begin: code is compiled, pools and tables reach their size. */
const warmUpShare = 1 / 6;

/** The slope of the straight line nearest to the points (least squares), in y for each x. Needs two different x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  let [covariance, variance] = [0, 0];
  for (const [x, y] of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return covariance / variance;
}

/** A line each for heap, buffers and RSS over the whole run, without its first part. Needs samples over more than a moment. */
export function judgeGrowth(samples: readonly Sample[]): readonly LeakVerdict[] {
  const endMs = samples.at(-1)?.atMs ?? 0;
  const counted = samples.filter(({ atMs }) => atMs >= endMs * warmUpShare);
  const spanMs = endMs - (counted[0]?.atMs ?? 0);
  const judged = (what: string, bytesOf: (sample: Sample) => number, miBMax: number): LeakVerdict => {
    const perMs = slope(counted.map((sample) => [sample.atMs, bytesOf(sample)])) / mebi;
    const grewMiB = perMs * spanMs;
    const last = (bytesOf(counted.at(-1) ?? nothing) / mebi).toFixed(1);
    const isFlat = grewMiB <= miBMax;
    const verdict = isFlat ? 'flat  ' : 'grows ';
    return {
      line: `${verdict}  ${what}: ${last} MiB at the end; ${signed(grewMiB)} MiB over the run, at most ${miBMax}${spanMs < shownSpanMs ? '' : `; ${signed(perMs * hourMs)} MiB an hour by its slope`}`,
      isFlat,
    };
  };
  return [
    judged('heap after collection', ({ heapBytes }) => heapBytes, growthMiBMax.heap),
    judged('buffers outside the heap', ({ externalBytes }) => externalBytes, growthMiBMax.buffers),
    judged('RSS', ({ rssBytes }) => rssBytes, growthMiBMax.rss),
  ];
}

const nothing: Sample = { atMs: 0, heapBytes: 0, externalBytes: 0, rssBytes: 0, resources: {} };

/** Kinds of which more is there than before, as `TCPSocketWrap 1 → 3`: sockets, timers, files that nobody gave back. */
export function leftOver(before: Held['resources'], after: Held['resources']): readonly string[] {
  return Object.entries(after).flatMap(([kind, count]) => {
    const was = before[kind] ?? 0;
    return count > was ? [`${kind} ${was} → ${count}`] : [];
  });
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
}
