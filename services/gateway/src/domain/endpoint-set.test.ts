// Endpoint choice and ejection.
import { seededRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EndpointSet, type EndpointState } from './endpoint-set.ts';

const addresses = (count: number, weight = 1) => Array.from({ length: count }, (_, i) => ({ address: `10.0.0.${i}:80`, weight, zone: '' }));

function setOf(count: number): EndpointSet {
  const set = new EndpointSet();
  set.update(addresses(count));
  return set;
}

function first(set: EndpointSet): EndpointState {
  const [endpoint] = set.endpoints;
  if (endpoint === undefined) throw new Error('the set is empty');
  return endpoint;
}

/** A clock that shows this. */
const at = (nowMs: number) => ({ monotonicMs: () => nowMs });

describe('EndpointSet', () => {
  it('never ejects the last endpoint in good standing, whatever happens', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.nat({ max: 4 }), fc.constantFrom('success', 'failure', 'neutral'), fc.nat({ max: 20_000 })), {
          maxLength: 200,
          size: 'max',
        }),
        (count, steps) => {
          const set = setOf(count);
          let nowMs = 0;
          for (const [index, outcome, gapMs] of steps) {
            nowMs += gapMs;
            const endpoint = set.endpoints[index % count];
            if (endpoint !== undefined) set.note(endpoint, outcome, at(nowMs));
            expect(set.endpoints.some((other) => !set.isEjected(other, nowMs))).toBe(true);
            for (const { ejectedUntilMs } of set.endpoints) expect(ejectedUntilMs - nowMs).toBeLessThanOrEqual(300_000);
          }
        },
      ),
    );
  });

  it('ejects after five failures in a row, each time for longer, and forgets after good behaviour', () => {
    const set = setOf(3);
    const endpoint = first(set);
    const fail = (times: number, nowMs: number) => Array.from({ length: times }, () => set.note(endpoint, 'failure', at(nowMs)));
    expect(fail(4, 0)).toEqual([false, false, false, false]);
    set.note(endpoint, 'success', at(0));
    expect(fail(4, 0)).not.toContain(true);
    expect(set.note(endpoint, 'neutral', at(0))).toBe(false);
    expect(set.note(endpoint, 'failure', at(0))).toBe(true);
    expect(endpoint.ejectedUntilMs).toBe(30_000);
    fail(5, 30_000);
    expect(endpoint.ejectedUntilMs).toBe(90_000);
    set.note(endpoint, 'success', at(300_000));
    fail(5, 300_000);
    expect(endpoint.ejectedUntilMs).toBe(330_000);
  });

  it('chooses nobody who is ejected, until half of them are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.nat({ max: 7 }), fc.integer(), (count, bad, seed) => {
        const set = setOf(count);
        const ejected = set.endpoints.slice(0, Math.min(bad, count - 1));
        for (const endpoint of ejected) for (let i = 0; i < 5; i++) set.note(endpoint, 'failure', at(0));
        const random = seededRandom(seed);
        const chosen = new Set(Array.from({ length: 200 }, () => set.choose(at(1), () => random.float())));
        const isPanic = ejected.length >= count / 2;
        expect(ejected.some((endpoint) => chosen.has(endpoint))).toBe(isPanic && ejected.length > 0);
      }),
    );
  });

  it('chooses another one than the one that just failed, or none', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer(), (count, seed) => {
        const set = setOf(count);
        const random = seededRandom(seed);
        const failed = first(set);
        const chosen = set.choose(at(0), () => random.float(), failed);
        expect(chosen === undefined).toBe(count === 1);
        expect(chosen).not.toBe(failed);
      }),
    );
  });

  it('spreads by weight, and takes the less busy of two', () => {
    const set = new EndpointSet();
    set.update([...addresses(1, 3), { address: 'b:1', weight: 1, zone: '' }]);
    const random = seededRandom(7);
    for (let i = 0; i < 4_000; i++) {
      const endpoint = set.choose(at(0), () => random.float());
      if (endpoint !== undefined) set.begin(endpoint);
    }
    const [heavy, light] = set.endpoints;
    // Of two, the less busy by weight is always taken: 3 to 1, to within one request.
    expect(Math.abs((heavy?.inflight ?? 0) - 3_000)).toBeLessThanOrEqual(3);
    expect((heavy?.inflight ?? 0) + (light?.inflight ?? 0)).toBe(4_000);
  });

  it('keeps what it knows of addresses that stay, and lets go of those that leave when they are idle', () => {
    const set = setOf(2);
    const [a, b] = set.endpoints;
    if (a === undefined || b === undefined) throw new Error('two endpoints were expected');
    set.begin(a);
    for (let i = 0; i < 5; i++) set.note(a, 'failure', at(0));
    expect(set.update([{ address: 'new:1', weight: 1, zone: '' }])).toEqual([b.address]);
    expect(set.choose(at(0), () => 0)?.address).toBe('new:1');
    expect(set.update(addresses(1))).toEqual(['new:1']);
    expect(set.endpoints[0]).toBe(a);
    expect(a.ejectedUntilMs).toBe(30_000);
    expect(set.update([{ address: 'other:1', weight: 1, zone: '' }])).toEqual([]);
    expect(set.end(a)).toBe(a.address);
  });

  it('has room for three retries, and for a fifth of what is in flight', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100 }), (inflight) => {
        const set = setOf(2);
        const endpoint = first(set);
        for (let i = 0; i < inflight; i++) set.begin(endpoint);
        let retries = 0;
        while (set.mayRetry()) {
          set.begin(endpoint, true);
          retries += 1;
        }
        expect(retries).toBeLessThanOrEqual(Math.max(3, (inflight + retries) * 0.2));
        expect(retries).toBeGreaterThanOrEqual(3);
      }),
    );
  });
});
