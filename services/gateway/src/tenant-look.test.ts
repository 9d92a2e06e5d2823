// The look at every tenant: who is refused something, shared with or labelled is seen before those are forgotten who use little.
import { createLogger, createMetrics, ManualClock } from '@burgage/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import { perSlice } from './domain/by-number.ts';
import { LimitShares } from './domain/limit-shares.ts';
import { takeShed } from './domain/shedding.ts';
import { otherTenants, type TenantMeter, TenantMeters } from './domain/tenant-meters.ts';
import { gatewayMetrics } from './metrics.ts';
import { createOverload } from './overload.ts';
import { looksPerLabels, TenantLook } from './tenant-look.ts';
import { metricValue } from './testing/fixture.ts';

const limits = { requestsPerSecond: 100, concurrency: 10, bodyBytesMax: 0 };

let look: TenantLook;
let meters: TenantMeters;
let shares: LimitShares;
let seconds: number;
let strainMs: number;
let shedShare: () => Promise<number>;
let count: (number: number) => TenantMeter;
let meterOf: (tenantId: string) => TenantMeter | undefined;
let labelOf: (meter: TenantMeter) => string | undefined;
let ended: string[];

beforeEach(() => {
  const metrics = createMetrics();
  const ours = gatewayMetrics(metrics);
  const clock = new ManualClock();
  shares = new LimitShares();
  meters = new TenantMeters(
    (label) => ours.requests.of(label),
    (number) => `ten_${number}`,
    2,
    (tenant) => shares.of(tenant),
  );
  const overload = createOverload({
    isPlatform: () => false,
    metrics: ours,
    logger: createLogger({ service: 'test', level: 'silent' }),
    clock,
    othersStrain: () => [{ loopDelayMs: strainMs, heapShare: 0 }],
  });
  ended = [];
  look = new TenantLook({ meters, overload, shares, limitsOf: () => limits, onLabelEnded: (label) => ended.push(label) });
  [seconds, strainMs] = [0, 0];
  shedShare = () => metricValue(metrics, 'burgage_gateway_shed_share');
  count = (number) => meters.count({ number, tenantId: `ten_${number}` });
  meterOf = (tenantId) => meters.get({ number: Number(tenantId.slice('ten_'.length)), tenantId });
  labelOf = ({ number, series }) => [`ten_${number}`, otherTenants].find((label) => ours.requests.of(label) === series);
  // They have the labels, and keep them while nobody takes them away: who has one is not forgotten so soon.
  for (const number of [0, 1]) count(number);
});

/** The end of another second. */
function pass(): void {
  seconds += 1;
  for (let slice = 0; slice < meters.slices; slice++) look.see(slice, 1_000 * seconds);
  look.end();
}

describe('a look at every tenant', () => {
  it.each([
    { every: 1, share: 0.3 },
    { every: 1, share: 0.9 },
    { every: 2, share: 0.9 },
  ])('has a part of the requests refused where it is many who ask once in $every s: $share', async ({ every, share }) => {
    let [asked, refused] = [0, 0];
    for (let second = 1; second <= 50; second++) {
      // Late until so much is refused, and then neither late nor in time.
      strainMs = second > 10 && (await shedShare()) < share - 0.01 ? 200 : 50;
      pass();
      for (let number = 2 + (second % every); number < 500; number += every) {
        const { use } = count(number);
        const isRefused = use.shedShare > 0 && takeShed(use);
        if (second <= 25) continue;
        asked += 1;
        if (isRefused) refused += 1;
      }
    }
    expect(await shedShare()).toBeCloseTo(share, 5);
    expect(refused / asked).toBeGreaterThan(share - 0.1);
    expect(refused / asked).toBeLessThan(share + 0.1);
  });

  it('begins to refuse at the third late look, in however many slices', async () => {
    count(perSlice);
    strainMs = 200;
    for (let second = 1; second <= 2; second++) pass();
    expect(await shedShare()).toBe(0);
    pass();
    expect(await shedShare()).toBeCloseTo(0.3, 5);
  });

  it('has refused, and asks for more of its limit for, whom it is both to be done for', async () => {
    shares.told({ sequence: 1, gateways: 3, even: 0.3, shares: [{ tenantId: 'ten_2', limit: 'concurrency', share: 0.1 }] });
    const requests: [number, number][] = [
      [2, 1_000],
      [3, 100],
    ];
    for (let second = 1; second <= 15; second++) {
      strainMs = (await shedShare()) < 0.29 ? 200 : 50;
      for (const [number, many] of requests) for (let request = 0; request < many; request++) count(number).concurrencyRefusals += 1;
      pass();
    }
    // The light one would be refused something, were the heavy one not weighed with it.
    expect(requests.map(([number]) => count(number).use.shedShare > 0)).toEqual([true, false]);
    shares.heard(1_000 * seconds);
    shares.look(1_000 * seconds, meterOf, () => limits);
    expect(shares.demands.map(({ tenantId }) => tenantId).toSorted()).toEqual(['ten_2', 'ten_3']);
  });

  it('has nothing refused any more when the strain is over', async () => {
    const refusesSome = () => count(2).use.shedShare > 0;
    for (let second = 1; second <= 40; second++) {
      strainMs = second <= 10 ? 200 : 0;
      pass();
      for (let request = 0; request < 100; request++) count(2);
      if (second === 10) expect(refusesSome()).toBe(true);
    }
    expect(await shedShare()).toBe(0);
    expect(refusesSome()).toBe(false);
  });

  it('gives labels to those who ask steadily, if little, where others are silent, and says whose have ended', () => {
    // The first time those who had them had asked for something.
    for (let second = 1; second < 2 * looksPerLabels; second++) {
      for (const steady of [2, 3]) count(steady);
      pass();
    }
    expect([2, 3].map((number) => labelOf(count(number)))).toEqual([otherTenants, otherTenants]);
    expect(ended).toEqual([]);
    pass();
    expect([2, 3].map((number) => labelOf(count(number)))).toEqual(['ten_2', 'ten_3']);
    expect(ended.toSorted()).toEqual(['ten_0', 'ten_1']);
  });

  it('counts what was refused for a named limit of a tenant that asks for nothing any more', () => {
    shares.told({ sequence: 1, gateways: 3, even: 0.3, shares: [{ tenantId: 'ten_2', limit: 'concurrency', share: 0.1 }] });
    count(2).concurrencyRefusals = 2;
    for (let second = 1; second <= 3; second++) pass();
    shares.look(1_000 * seconds, meterOf, () => limits);
    expect(shares.demands).toEqual([{ tenantId: 'ten_2', limit: 'concurrency', wanted: 0.2, inUse: 0 }]);
  });

  it('has limits asked for that a tenant comes near to', () => {
    shares.told({ sequence: 1, gateways: 3, even: 0.3, shares: [] });
    const meter = count(2);
    meter.concurrencyRefusals = 2;
    pass();
    shares.look(1_000 * seconds, meterOf, () => limits);
    expect(shares.demands).toEqual([{ tenantId: 'ten_2', limit: 'concurrency', wanted: 0.2, inUse: 0 }]);
  });

  it('forgets who asked once', () => {
    count(2);
    for (let second = 1; second <= 3; second++) pass();
    expect(meterOf('ten_2')).toBeUndefined();
  });
});
