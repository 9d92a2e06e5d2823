// One random history of a platform: several tenants, workers, operations, writers and faults together, all from one seed.
import { isBurgageError } from '@burgage/contracts';
import { type Random, seededRandom } from '@burgage/runtime';
import { isolations } from '@burgage/tenancy';
import { operationKinds } from '../../domain/operation.ts';
import { faults } from './process.ts';
import { checkLeftovers, Simulation, tenantIdOf, type Wish } from './run.ts';

export interface History {
  readonly operations: number;
  readonly faults: number;
  /** Writes of users that were acknowledged, and those that were not. */
  readonly acknowledged: number;
  readonly refused: number;
  /** Calls of late workers that drivers refused. */
  readonly fenced: number;
  readonly ends: readonly string[];
}

const tenantCount = 3;
const wishCount = 7;
const faultShare = 0.01;
/** How many looks a gateway may be behind the routes. */
const lagMax = 6;

function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random.float() * items.length)] as T;
}

/** @throws Error saying what is wrong; `runHistory(seed)` shows it again. */
export async function runHistory(seed: number): Promise<History> {
  const random = seededRandom(seed);
  let isCalm = false;
  let faultCount = 0;
  const simulation = new Simulation(seed, (name) => {
    if (isCalm || name === 'store.list' || random.float() >= faultShare) return undefined;
    faultCount += 1;
    return oneOf(random, faults);
  });
  const { world } = simulation;
  const tenantIds = Array.from({ length: tenantCount }, (_, index) => tenantIdOf(`tenant ${index} of ${seed}`));
  const written = new Map<string, string[]>();
  for (const [index, id] of tenantIds.entries()) {
    const isolation = oneOf(random, isolations);
    const rows = [`${index} a`, `${index} b`];
    if (random.float() < 0.3) world.requested(id, isolation);
    else {
      world.active(id, isolation, rows);
      written.set(id, rows);
    }
  }
  await simulation.start('one');
  await simulation.start('two');

  const wishes = Array.from({ length: wishCount }, (_, index): Wish & { readonly atMs: number; readonly key: string } => ({
    kind: oneOf(random, operationKinds),
    tenantId: oneOf(random, tenantIds),
    to: oneOf(random, isolations),
    atMs: Math.floor(random.float() * 40_000),
    key: `wish-${index}`,
  })).toSorted((one, other) => one.atMs - other.atMs);
  // Whoever is requested is provisioned in any case, as the sweeper sees to.
  const asked: string[] = [];
  const ids: string[] = [];
  for (const id of tenantIds)
    if (world.tenants.get(id)?.state === 'requested') ids.push((await simulation.ask({ kind: 'provision', tenantId: id }, '')).id);

  const seen: ReturnType<typeof world.seen>[][] = [];
  let rowCount = 0;
  let refused = 0;
  const use = (): void => {
    seen.unshift(tenantIds.map((id) => world.seen(id)));
    seen.length = Math.min(seen.length, lagMax);
    for (const [index, id] of tenantIds.entries()) {
      const routes = oneOf(random, seen)[index];
      if (!routes) continue;
      rowCount += 1;
      const row = `row ${rowCount}`;
      if (world.write(id, row, routes)) written.set(id, [...(written.get(id) ?? []), row]);
      else refused += 1;
    }
  };
  const each = async (): Promise<void> => {
    use();
    for (let next = wishes[0]; next && next.atMs <= simulation.clock.monotonicMs(); next = wishes[0]) {
      wishes.shift();
      const operation = await accepted(() => simulation.ask(next, next.key));
      if (!operation) continue;
      asked.push(operation.id);
      if (!ids.includes(operation.id)) ids.push(operation.id);
    }
    const id = oneOf(random, ids);
    if (id === undefined || random.float() >= 0.02) return;
    await accepted(() => (random.float() < 0.5 ? simulation.operations.cancel(id) : simulation.operations.retry(id)));
  };
  await simulation.until(() => wishes.length === 0, each);
  isCalm = random.float() < 0.3;
  const operations = await simulation.settle(ids, each);
  isCalm = true;
  await simulation.stop();
  // A tenant that was closed has its rows in the backup, and nowhere else.
  await checkLeftovers(simulation, operations, written);
  return {
    operations: operations.length,
    faults: faultCount,
    acknowledged: rowCount - refused,
    refused,
    fenced: world.fenced,
    ends: operations.map(({ kind, state }) => `${kind} ${state}`),
  };
}

/** Undefined where the platform refused it, as it may. */
async function accepted<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isBurgageError(error, 'transition_not_allowed', 'cancel_too_late', 'retry_not_possible')) return undefined;
    throw error;
  }
}
