// Holds the reconciler to what it mends, what it only says, and what it keeps its hands off.
import { createLogger, createMetrics } from '@burgage/runtime';
import { beforeEach, describe, expect, test } from 'vitest';
import { createKit } from '../domain/operations/kit.ts';
import { provisionerMetrics } from '../metrics.ts';
import { SimulatedProcess } from '../testing/simulation/process.ts';
import { checkLeftovers, Simulation, tenantIdOf } from '../testing/simulation/run.ts';
import { sharedUpstream, type World } from '../testing/simulation/world.ts';
import { Reconciler } from './reconciler.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const rows = ['one', 'two'];
const ids = { pool: tenantIdOf('pool'), bridge: tenantIdOf('bridge'), silo: tenantIdOf('silo') };
const siloName = `${ids.silo.toLowerCase()}-silo`;

let simulation: Simulation;
let world: World;
let reconciler: Reconciler;

beforeEach(() => {
  simulation = new Simulation(1, () => undefined);
  world = simulation.world;
  for (const isolation of ['pool', 'bridge', 'silo'] as const) world.active(ids[isolation], isolation, rows);
  const infrastructure = world.infrastructure(new SimulatedProcess('reconciler', simulation.clock, () => undefined));
  const common = { infrastructure, sharedUpstream, clock: simulation.clock };
  reconciler = new Reconciler({
    ...common,
    kit: createKit(common),
    repository: simulation.repository,
    logger,
    metrics: provisionerMetrics(createMetrics()),
    intervalMs: 30_000,
  });
});

async function expectAllWell(): Promise<void> {
  expect(await reconciler.reconcile(new AbortController().signal)).toEqual([]);
  await checkLeftovers(simulation, [], new Map(Object.values(ids).map((id) => [id, rows])));
}

const found = (): Promise<readonly string[]> => reconciler.reconcile(new AbortController().signal);

describe('the reconciler', () => {
  test('finds nothing where everything is as it should be, and changes nothing', async () => {
    await expectAllWell();
    expect(world.changes).toEqual([]);
  });

  const seatOf = (id: string) => {
    const seat = world.seatOf(id);
    if (!seat) throw new Error('it is not served');
    return seat;
  };

  test.each<[string, () => void]>([
    ['an instance that leads elsewhere', () => world.upstreams.set(siloName, '127.0.0.1:9')],
    ['an upstream that is gone', () => world.upstreams.delete(siloName)],
    ['a folder that is gone', () => world.files.delete(ids.pool)],
    ['a database that nobody wants frozen', () => Object.assign(seatOf(ids.bridge), { isFrozen: true })],
    ['a database of an instance that nobody wants frozen', () => Object.assign(seatOf(ids.silo), { isFrozen: true })],
    ['a move that nobody makes', () => Object.assign(world.tenants.get(ids.pool) ?? {}, { moving: true })],
    ['a route that leads elsewhere', () => Object.assign(world.tenants.get(ids.bridge) ?? {}, { upstream: 'nowhere' })],
  ])('mends %s', async (_, spoil) => {
    spoil();
    expect(await found()).toHaveLength(1);
    await expectAllWell();
  });

  test('has a process run again that nobody wants any more', async () => {
    const instance = world.instances.get(siloName);
    if (instance) instance.isRunning = false;
    expect(await found()).toHaveLength(1);
    expect(world.instances.get(siloName)?.isRunning).toBe(true);
  });

  test.each(['pool', 'bridge', 'silo'] as const)(
    'makes nothing in the place of lost rows of a %s tenant, and says so each time',
    async (lost) => {
      for (const key of world.seats.keys()) if (key.endsWith(`/${ids[lost]}`)) world.seats.delete(key);
      const difference = expect.stringMatching(new RegExp(`^rows of ${ids[lost]}: .*restore its database from a backup$`));
      expect(await found()).toEqual([difference]);
      expect(await found()).toEqual([difference]);
      expect(world.changes).toEqual([]);
    },
  );

  test('says so of everyone where the shared app has lost all that it had', async () => {
    for (const key of world.seats.keys()) if (!key.endsWith(`/${ids.silo}`)) world.seats.delete(key);
    expect(await found()).toHaveLength(2);
  });

  test('says of rows that only a part of them is there, and does not give that to anybody', async () => {
    for (const [key, seat] of world.seats)
      if (key.endsWith(`pool/${ids.pool}`)) Object.assign(seat, { isFrozen: true, unfinished: 'replaced' });
    expect(await found()).toEqual([expect.stringContaining('only a part of its rows')]);
    expect(await found()).toHaveLength(1);
    expect(world.changes).toEqual([]);
    expect([...world.seats.values()].filter(({ isFrozen }) => isFrozen)).toHaveLength(1);
  });

  test('leaves a tenant to its operation', async () => {
    const { id } = await simulation.ask({ kind: 'move', tenantId: ids.pool, to: 'bridge' }, 'key');
    Object.assign(world.tenants.get(ids.pool) ?? {}, { moving: true });
    expect(await found()).toEqual([]);
    expect(world.tenants.get(ids.pool)?.moving).toBe(true);
    await simulation.start('one');
    const [operation] = await simulation.settle([id]);
    await simulation.stop();
    expect(operation?.state).toBe('succeeded');
    await expectAllWell();
  });

  test('comes too late with what it wanted to mend when an operation has begun', async () => {
    world.files.delete(ids.pool);
    const token = await simulation.repository.tokenIfIdle(ids.pool);
    const { id } = await simulation.ask({ kind: 'move', tenantId: ids.pool, to: 'bridge' }, 'key');
    await simulation.start('one');
    await simulation.settle([id]);
    await simulation.stop();
    const { tenants } = world.infrastructure(new SimulatedProcess('late', simulation.clock, () => undefined));
    const late = tenants.setMoving(ids.pool, true, { operationId: 'reconcile', token: token ?? 0 }, new AbortController().signal);
    await expect(late).rejects.toMatchObject({ code: 'fenced' });
  });
});
