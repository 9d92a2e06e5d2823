import { systemClock } from '@burgage/runtime';
import type { RouteEntry } from '@burgage/tenancy';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRouteFeed } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { Follower } from './testing/follower.ts';
import { type TestRoutes, testRoutes } from './testing/routes.ts';
import { shownIn } from './testing/table.ts';

let test: TestRoutes;

beforeAll(async () => {
  test = await testRoutes();
});
afterAll(() => test.close());

describe('over any history', () => {
  const host = fc.integer({ min: 0, max: 5 });
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        host,
        tenant: fc.option(fc.integer({ min: 0, max: 3 })),
        journalled: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('relay' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('again' as const), which: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), kept: fc.integer({ min: 0, max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
  );

  it('a gateway ends with what the registry has, however entries came, were doubled, trimmed or begun anew, and it was cut off or slow', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await test.clear();
        const { documents, routes } = test;
        const feed = createRouteFeed({
          journal: routes,
          snapshot: () => routeSnapshot(documents, 4),
          clock: systemClock,
          batchMax: 3,
          headIntervalMs: 1,
        });
        const follower = new Follower().open(feed);
        let waiting: RouteEntry[] = [];
        const written: RouteEntry[] = [];
        const relay = async (): Promise<void> => {
          // In any order: entries apply by their version.
          if (waiting.length > 0) await test.append(...waiting.toReversed());
          waiting = [];
        };
        for (const action of steps) {
          switch (action.kind) {
            case 'set': {
              const entry = await test.setHost(`h${action.host}.test`, action.tenant === null ? null : `ten_${action.tenant}`);
              written.push(entry);
              waiting.push(entry);
              if (action.journalled) await relay();
              break;
            }
            case 'relay':
              await relay();
              break;
            case 'again': {
              const entry = written[action.which % Math.max(written.length, 1)];
              // Only what was relayed can be relayed again.
              if (entry && !waiting.includes(entry)) await test.append(entry);
              break;
            }
            case 'take':
              for (let count = 0; count < action.count; count++) await follower.take();
              break;
            case 'cut':
              await follower.cut();
              follower.open(feed);
              break;
            case 'trim':
              await routes.trim(Math.max((await routes.head()).revision - action.kept, 0));
              break;
            case 'reset':
              await routes.reset();
              break;
            default:
              throw new Error(`unknown step ${String(action satisfies never)}`);
          }
        }
        await relay();
        await follower.catchUp(routes);
        await follower.cut();
        const wanted: RouteEntry[] = [];
        for await (const page of routeSnapshot(documents, 100)) wanted.push(...page);
        expect(follower.table.shown).toEqual(shownIn(wanted));
      }),
      { numRuns: 60 },
    );
  });
});
