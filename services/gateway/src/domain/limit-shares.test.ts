// Shares of limits in one gateway: what it is told holds, what it hears nothing about any more ends, and only what is near is said.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { LimitShares, type ToldShares, wholePart } from './limit-shares.ts';
import { RequestSeries } from './request-series.ts';
import { type MeteredTenant, TenantMeters } from './tenant-meters.ts';

const limits = { requestsPerSecond: 100, concurrency: 10, bodyBytesMax: 0 };

let shares: LimitShares;
let meters: TenantMeters;
beforeEach(() => {
  shares = new LimitShares();
  meters = new TenantMeters(
    () => new RequestSeries([1]),
    (number) => `ten_${number}`,
    5,
    (tenant) => shares.of(tenant),
  );
});

const meterOf = (tenantId: string) => meters.get(named(tenantId));
const told = (even: number, ...named: ToldShares['shares']): void => {
  shares.told({ sequence: 1, gateways: 3, even, shares: named });
  shares.handOut(meterOf);
};
/** Without having looked at all tenants. */
const lookAtNamed = (nowMs: number) => shares.look(nowMs, meterOf, () => limits);
const look = (nowMs: number) => {
  for (let number = 0; number < 300; number++) {
    const meter = meterOf(`ten_${number}`);
    if (meter !== undefined) shares.see(meter, nowMs, () => limits);
  }
  shares.seenAll();
  return lookAtNamed(nowMs);
};

/** A tenant `ten_<number>`. */
function named(tenantId: string): MeteredTenant {
  return { number: Number(tenantId.slice('ten_'.length)), tenantId };
}

/** So many requests of a tenant within the second before `nowMs`. */
function ask(tenantId: string, requests: number, nowMs: number): void {
  for (let request = 0; request < requests; request++) {
    const meter = meters.count(named(tenantId));
    meter.use.takeRate(limits.requestsPerSecond * meter.shares.rate, nowMs);
  }
  meters.sweep(0, nowMs);
}

describe('shares of limits', () => {
  it('are the whole for a gateway that was told none, and it asks for nothing', () => {
    meters.sweep(0, 0);
    ask('ten_1', 500, 1_000);
    look(1_000);
    expect(shares.of({ tenantId: 'ten_1' })).toEqual({ rate: 1, concurrency: 1 });
    expect(shares.demands).toEqual([]);
    look(1_000_000);
    expect(shares.of({ tenantId: 'ten_1' })).toEqual({ rate: 1, concurrency: 1 });
  });

  it('are even for all tenants but those that are named', () => {
    told(0.25, { tenantId: 'ten_1', limit: 'rate', share: 0.9 });
    expect(shares.of({ tenantId: 'ten_1' })).toEqual({ rate: 0.9, concurrency: 0.25 });
    expect(shares.of({ tenantId: 'ten_2' })).toEqual({ rate: 0.25, concurrency: 0.25 });
    told(0.5);
    expect(shares.of({ tenantId: 'ten_1' })).toEqual({ rate: 0.5, concurrency: 0.5 });
  });

  it('are at once those of the tenants who are counted already, and again even when they are named no more', () => {
    const meter = meters.count(named('ten_1'));
    told(0.25, { tenantId: 'ten_1', limit: 'rate', share: 0.9 });
    expect(meter.shares).toEqual({ rate: 0.9, concurrency: 0.25 });
    told(0.5, { tenantId: 'ten_2', limit: 'rate', share: 0.9 });
    expect(meter.shares).toEqual({ rate: 0.5, concurrency: 0.5 });
    expect(meters.count(named('ten_2')).shares).toEqual({ rate: 0.9, concurrency: 0.5 });
    told(0.4);
    expect(meters.count(named('ten_2')).shares).toEqual({ rate: 0.4, concurrency: 0.4 });
  });

  it('are never nothing: nothing would be taken for no limit', () => {
    told(0, { tenantId: 'ten_1', limit: 'rate', share: 0 });
    expect(shares.of({ tenantId: 'ten_1' }).rate).toBeGreaterThan(0);
    expect(shares.of({ tenantId: 'ten_2' }).concurrency).toBeGreaterThan(0);
  });

  it('that are larger than even ones are given up after 5 s of silence, smaller ones become even after 10 s', () => {
    shares.heard(1_000);
    told(0.25, { tenantId: 'much', limit: 'rate', share: 0.9 }, { tenantId: 'little', limit: 'rate', share: 0.03 });
    expect(look(5_999)).toBe(false);
    expect([shares.of({ tenantId: 'much' }).rate, shares.of({ tenantId: 'little' }).rate]).toEqual([0.9, 0.03]);
    expect(look(6_000)).toBe(true);
    expect([shares.of({ tenantId: 'much' }).rate, shares.of({ tenantId: 'little' }).rate]).toEqual([0.25, 0.03]);
    expect(look(11_000)).toBe(true);
    expect([shares.of({ tenantId: 'much' }).rate, shares.of({ tenantId: 'little' }).rate]).toEqual([0.25, 0.25]);
    expect(look(12_000)).toBe(false);
  });

  it('that were given up do not come back with the registry, only with its word', () => {
    shares.heard(1_000);
    told(0.25, { tenantId: 'much', limit: 'rate', share: 0.9 });
    look(6_000);
    shares.heard(6_500);
    look(7_000);
    expect(shares.of({ tenantId: 'much' }).rate).toBe(0.25);
    told(0.25, { tenantId: 'much', limit: 'rate', share: 0.8 });
    expect(shares.of({ tenantId: 'much' }).rate).toBe(0.8);
  });
});

describe('what a gateway asks for', () => {
  it('is nothing for tenants far below their shares', () => {
    told(0.5);
    meters.sweep(0, 0);
    for (let tenant = 0; tenant < 50; tenant++) ask(`ten_${tenant}`, 10, 1_000);
    shares.heard(1_000);
    look(1_000);
    expect(shares.demands).toEqual([]);
  });

  it('is what is asked of it, once that comes near to the share', () => {
    told(0.5);
    meters.sweep(0, 0);
    ask('ten_1', 80, 1_000);
    shares.heard(1_000);
    look(1_000);
    expect(shares.demands).toEqual([{ tenantId: 'ten_1', limit: 'rate', wanted: 0.8, inUse: 0 }]);
  });

  it('is said of a named limit until it is named no more, also when nobody asks', () => {
    told(0.5, { tenantId: 'ten_1', limit: 'rate', share: 0.1 });
    shares.heard(1_000);
    look(1_000);
    expect(shares.demands).toEqual([{ tenantId: 'ten_1', limit: 'rate', wanted: 0, inUse: 0 }]);
    told(0.5);
    look(1_000);
    expect(shares.demands).toEqual([]);
  });

  it('does not follow every wave', () => {
    told(0.5, { tenantId: 'ten_1', limit: 'rate', share: 0.8 });
    meters.sweep(0, 0);
    const said = new Set<number | undefined>();
    for (let second = 1; second <= 20; second++) {
      ask('ten_1', 70 + (second % 4), second * 1_000);
      shares.heard(second * 1_000);
      look(second * 1_000);
      said.add(shares.demands[0]?.wanted);
    }
    expect(said.size).toBe(1);
  });

  it('counts requests in flight and those that were refused for it', () => {
    told(0.3);
    const meter = meters.count(named('ten_1'));
    for (let request = 0; request < 3; request++) meter.use.enter(0);
    look(0);
    expect(shares.demands).toEqual([]);
    meter.concurrencyRefusals = 4;
    look(0);
    expect(shares.demands).toEqual([{ tenantId: 'ten_1', limit: 'concurrency', wanted: 0.7, inUse: 0.3 }]);
  });

  it('is said of named limits at once, and of others when all tenants were seen', () => {
    told(0.3, { tenantId: 'ten_1', limit: 'concurrency', share: 0.1 });
    for (const tenantId of ['ten_1', 'ten_2']) meters.count(named(tenantId)).use.enter(0);
    for (const tenantId of ['ten_1', 'ten_2']) meters.count(named(tenantId)).concurrencyRefusals = 2;
    lookAtNamed(0);
    expect(shares.demands).toEqual([{ tenantId: 'ten_1', limit: 'concurrency', wanted: 0.3, inUse: 0.1 }]);
    look(0);
    expect(shares.demands.map(({ tenantId }) => tenantId)).toEqual(['ten_2', 'ten_1']);
  });

  it('is of no tenant twice, also where its limit was named after it had been seen', () => {
    told(0.3);
    for (const tenantId of ['ten_1', 'ten_2']) meters.count(named(tenantId)).concurrencyRefusals = 2;
    look(0);
    told(0.3, { tenantId: 'ten_1', limit: 'concurrency', share: 0.3 });
    lookAtNamed(0);
    expect(shares.demands.map(({ tenantId }) => tenantId).toSorted()).toEqual(['ten_1', 'ten_2']);
  });

  it('is bounded, those that want most first', () => {
    told(0.01);
    for (let tenant = 0; tenant < 300; tenant++) meters.count(named(`ten_${tenant}`)).concurrencyRefusals = 1 + (tenant % 10);
    look(0);
    expect(shares.demands).toHaveLength(200);
    expect(shares.demands[0]?.wanted).toBe(1);
  });
});

describe('whole parts of a limit', () => {
  it('are at least one, and together no more than the limit where there are no more gateways than that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 20 }), (limit, gateways) => {
        const share = Math.floor(1e6 / gateways) / 1e6;
        expect(wholePart(limit, share)).toBeGreaterThanOrEqual(1);
        if (gateways <= limit) expect(gateways * wholePart(limit, share)).toBeLessThanOrEqual(limit);
      }),
    );
  });
});
