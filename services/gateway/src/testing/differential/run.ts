// Takes cases through contestants, each of which has several lanes.
import type { Lane } from './contestants.ts';

/** What each contestant made of each case, in the order of the cases. */
export async function run<Name extends string, Case, Result>(
  contestants: Readonly<Record<Name, readonly Lane[]>>,
  cases: readonly Case[],
  take: (lane: Lane, item: Case) => Promise<Result>,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(contestants) as Name[];
  const results = await Promise.all(
    names.map(async (name) => {
      const made: Result[] = [];
      const waiting = cases.entries();
      await Promise.all(
        contestants[name].map(async (lane) => {
          // All lanes draw from the one iterator.
          for (const [i, item] of waiting) made[i] = await take(lane, item);
        }),
      );
      return [name, made] as const;
    }),
  );
  return Object.fromEntries(results) as Record<Name, Result[]>;
}
