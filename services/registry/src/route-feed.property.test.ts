import { systemClock } from '@burgage/runtime';
import type { RouteEntry } from '@burgage/tenancy';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRouteFeed, type RouteFeed } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { Follower } from './testing/follower.ts';
import { type TestRoutes, testRoutes } from './testing/routes.ts';
import { shownIn } from './testing/table.ts';

/** The registry at a moment, with what its outboxes hold. */
interface State {
  readonly store: TestRoutes;
  readonly waiting: readonly RouteEntry[];
  readonly written: readonly RouteEntry[];
}

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
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('back up' as const, 'restore' as const, 'restore' as const) }) },
  );

  it('a gateway ends with what the registry has, however entries came, were doubled, trimmed, begun anew or taken back, and it was cut off or slow', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await test.clear();
        let now: State = { store: test, waiting: [], written: [] };
        let backup: State | undefined;
        const feedOf = ({ store: { routes, documents } }: State): RouteFeed =>
          createRouteFeed({
            journal: routes,
            snapshot: () => routeSnapshot(documents, 4),
            clock: systemClock,
            batchMax: 3,
            headIntervalMs: 1,
            behindTimeoutMs: 5,
          });
        const follower = new Follower().open(feedOf(now));
        const relay = async (): Promise<void> => {
          // In any order: entries apply by their version.
          if (now.waiting.length > 0) await now.store.append(...now.waiting.toReversed());
          now = { ...now, waiting: [] };
        };
        const copied = async (of: State): Promise<State> => ({ ...of, store: await of.store.copy() });
        for (const action of steps) {
          const { store, waiting, written } = now;
          switch (action.kind) {
            case 'set': {
              const entry = await store.setHost(`h${action.host}.test`, action.tenant === null ? null : `ten_${action.tenant}`);
              now = { store, waiting: [...waiting, entry], written: [...written, entry] };
              if (action.journalled) await relay();
              break;
            }
            case 'relay':
              await relay();
              break;
            case 'again': {
              const entry = written[action.which % Math.max(written.length, 1)];
              // Only what was relayed can be relayed again.
              if (entry && !waiting.includes(entry)) await store.append(entry);
              break;
            }
            case 'take':
              for (let count = 0; count < action.count; count++) await follower.take();
              break;
            case 'cut':
              await follower.cut();
              follower.open(feedOf(now));
              break;
            case 'trim':
              await store.routes.trim(Math.max((await store.routes.head()).revision - action.kept, 0));
              break;
            case 'reset':
              await store.routes.reset();
              break;
            case 'back up':
              backup = await copied(now);
              break;
            case 'restore':
              if (backup === undefined) break;
              await follower.cut();
              now = await copied(backup);
              follower.open(feedOf(now));
              break;
            default:
              throw new Error(`unknown step ${String(action satisfies never)}`);
          }
        }
        await relay();
        for (let messages = 0; !(await isCaughtUp(follower, now)); messages++) {
          if (messages > 2_000) throw new Error(`not caught up: ${follower.kinds.slice(-10).join(', ')}`);
          await follower.take();
        }
        await follower.cut();
        const wanted: RouteEntry[] = [];
        for await (const page of routeSnapshot(now.store.documents, 100)) wanted.push(...page);
        expect(follower.table.shown).toEqual(shownIn(wanted));
      }),
      { numRuns: 100 },
    );
  });

  async function isCaughtUp({ table: { position } }: Follower, { store: { routes } }: State): Promise<boolean> {
    const { epoch, revision } = await routes.head();
    return position.epoch === epoch && position.revision >= revision && (await routes.standing(position.seen)) === 'held';
  }
});
