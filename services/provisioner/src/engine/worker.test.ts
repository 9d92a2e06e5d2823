// Holds the worker to its promises on a real store: order, crashes, leases, fencing, undo.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { createLogger, createMetrics, ManualClock, seededRandom } from '@burgage/runtime';
import { type Json, openSqliteStore, type Store } from '@burgage/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { done, notNeeded, type OperationDefinition, type Step, type StepContext } from '../domain/definition.ts';
import { createOperation, hasEnded, type Operation, transition } from '../domain/operation.ts';
import { emptyTenantOperations, type TenantOperations, tenantOperationsType, withQueued } from '../domain/tenant-operations.ts';
import { provisionerMetrics } from '../metrics.ts';
import { OperationRepository } from './repository.ts';
import { Worker } from './worker.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const retry = { attemptsMax: 3, backoffMs: 100, backoffMaxMs: 1_000 };

let folder: string;
let store: Store;
let clock: ManualClock;
let repository: OperationRepository;
const workers: Worker[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-worker-'));
  clock = new ManualClock();
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
  repository = new OperationRepository({ store, clock, random: seededRandom(7), logger, publish: async () => undefined });
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function step(name: string, effects: string[], change: Partial<Step<Json>> = {}): Step<Json> {
  return {
    name,
    timeoutMs: 60_000,
    retry,
    run: async ({ attempt }) => {
      effects.push(`run ${name} ${attempt}`);
      return done(name);
    },
    undo: async ({ attempt }) => {
      effects.push(`undo ${name} ${attempt}`);
    },
    ...change,
  };
}

function definitionOf(steps: readonly Step<Json>[], pointOfNoReturn = steps.at(-1)?.name ?? ''): OperationDefinition {
  return { kind: 'provision', version: 1, steps, pointOfNoReturn };
}

interface WorkerChoice {
  readonly name?: string;
  readonly boot?: string;
  readonly leaseMs?: number;
  readonly on?: OperationRepository;
}

async function startWorker(
  definition: OperationDefinition,
  { name = 'one', boot = 'first', leaseMs = 9_000, on = repository }: WorkerChoice = {},
): Promise<Worker> {
  const worker = new Worker({
    repository: on,
    definitions: [definition as unknown as OperationDefinition<never>],
    clock,
    random: seededRandom(1),
    logger,
    metrics: provisionerMetrics(createMetrics()),
    name,
    boot,
    concurrency: 4,
    leaseMs,
    pollMs: 50,
  });
  workers.push(worker);
  await worker.start();
  return worker;
}

function enqueue(definition: OperationDefinition, id = 'op_provision_A', tenantId = 'ten_A'): Promise<Operation> {
  return repository.enqueue(
    createOperation(
      {
        id,
        kind: 'provision',
        definitionVersion: definition.version,
        tenantId,
        tenantSlug: 'acme',
        input: {},
        steps: definition.steps.map((one) => one.name),
        pointOfNoReturn: definition.steps.findIndex((one) => one.name === definition.pointOfNoReturn),
      },
      clock.now().toISOString(),
    ),
  );
}

/** Lets time pass in small steps until `condition` holds. */
async function passUntil(condition: () => Promise<boolean> | boolean, stepMs = 50, turnsMax = 2_000): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn += 1) {
    if (await condition()) return;
    await clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('the condition did not come true');
}

const endOf = async (id = 'op_provision_A'): Promise<Operation> => {
  await passUntil(async () => hasEnded((await repository.get(id)) as Operation));
  return (await repository.get(id)) as Operation;
};

describe('the worker', () => {
  test('runs the steps in order and keeps the operation for lists', async () => {
    const effects: string[] = [];
    const definition = definitionOf([
      step('a', effects),
      step('b', effects, { run: async () => notNeeded('nothing to do') }),
      step('c', effects),
    ]);
    await startWorker(definition);
    await enqueue(definition);
    const operation = await endOf();
    expect(operation.state).toBe('succeeded');
    expect(operation.steps.map(({ state }) => state)).toEqual(['done', 'not_needed', 'done']);
    expect(effects).toEqual(['run a 1', 'run c 1']);
    await repository.relay.flushAll();
    expect((await repository.list({ pageSize: 10 })).operations).toEqual([operation]);
  });

  test('tries again what may pass, then undoes in reverse what it cannot finish', async () => {
    const effects: string[] = [];
    const failing = step('c', effects, {
      run: async ({ attempt }) => {
        effects.push(`run c ${attempt}`);
        throw new BurgageError('unavailable');
      },
    });
    const definition = definitionOf([step('a', effects), step('b', effects), failing, step('d', effects)]);
    await startWorker(definition);
    await enqueue(definition);
    const operation = await endOf();
    expect(operation.state).toBe('failed');
    expect(operation.error?.code).toBe('unavailable');
    expect(effects).toEqual(['run a 1', 'run b 1', 'run c 1', 'run c 2', 'run c 3', 'undo c 1', 'undo b 1', 'undo a 1']);
    expect(operation.log.map(({ sequence }) => sequence)).toEqual(operation.log.map((_, index) => index + 1));
  });

  test('asks for a person when a step fails after the point of no return, and undoes nothing', async () => {
    const effects: string[] = [];
    const failing = step('b', effects, { run: () => Promise.reject(new BurgageError('app_refused')) });
    const definition = definitionOf([step('a', effects), failing], 'b');
    await startWorker(definition);
    await enqueue(definition);
    const operation = await endOf();
    expect(operation).toMatchObject({ state: 'needs_attention', error: { code: 'app_refused' } });
    expect(operation.attention).toContain('Step b');
    expect(effects).toEqual(['run a 1']);
  });

  test('ends an attempt at its timeout and tries again', async () => {
    const effects: string[] = [];
    let signal: AbortSignal | undefined;
    const slow = step('a', effects, {
      timeoutMs: 1_000,
      run: (context) => {
        effects.push(`run a ${context.attempt}`);
        if (context.attempt > 1) return Promise.resolve(done(''));
        signal = context.signal;
        return new Promise(() => undefined);
      },
    });
    const definition = definitionOf([slow]);
    await startWorker(definition);
    await enqueue(definition);
    expect((await endOf()).state).toBe('succeeded');
    expect(effects).toEqual(['run a 1', 'run a 2']);
    expect(signal?.aborted).toBe(true);
  });

  test('renews its lease during a long step, so that nobody else takes the tenant', async () => {
    const effects: string[] = [];
    const long = step('a', effects, {
      run: async (context) => {
        effects.push(`run a by ${context.fence.token}`);
        await clock.sleep(50_000, context.signal);
        return done('');
      },
    });
    const definition = definitionOf([long]);
    await startWorker(definition);
    await enqueue(definition);
    await passUntil(() => effects.length > 0);
    await startWorker(definition, { name: 'two' });
    await passUntil(async () => hasEnded((await repository.get('op_provision_A')) as Operation), 500);
    expect(effects).toEqual(['run a by 1']);
  });

  test('carries on at once with what an earlier life of the same worker left, and refuses that life every write', async () => {
    const effects: string[] = [];
    let release: (() => void) | undefined;
    const stuck = step('b', effects, {
      run: async (context: StepContext<Json>) => {
        effects.push(`run b by ${context.fence.token}`);
        if (context.fence.token === 2) await new Promise<void>((resolve) => (release = resolve));
        return done(`by ${context.fence.token}`);
      },
    });
    const definition = definitionOf([step('a', effects), stuck, step('c', effects)], 'c');
    // Longer than the whole test: only the worker's own name can end it sooner.
    const leaseMs = 3_600_000;
    await startWorker(definition, { boot: 'first', leaseMs });
    await enqueue(definition);
    await passUntil(() => release !== undefined);
    const late = workers.pop();
    await startWorker(definition, {
      boot: 'second',
      leaseMs,
      on: new OperationRepository({ store, clock, random: seededRandom(8), logger, publish: async () => undefined }),
    });
    const operation = await endOf();
    release?.();
    await late?.stop();
    expect(operation).toMatchObject({ state: 'succeeded', steps: [{ attempts: 1 }, { attempts: 2, detail: 'by 3' }, { attempts: 1 }] });
    expect(await repository.get('op_provision_A')).toEqual(operation);
    expect(effects).toEqual(['run a 1', 'run b by 2', 'run b by 3', 'run c 1']);
  });

  test('waits for the lease of another worker to run out before it takes the tenant', async () => {
    const effects: string[] = [];
    const definition = definitionOf([step('a', effects)]);
    await enqueue(definition);
    const until = new Date(clock.now().getTime() + 9_000).toISOString();
    await repository.change('ten_A', (value) => ({
      value: { ...value, fencingToken: 5, lease: { worker: 'gone', boot: 'x', until } },
      outbox: [],
    }));
    await startWorker(definition, { name: 'two' });
    await clock.advance(8_000);
    expect(effects).toEqual([]);
    expect((await endOf()).state).toBe('succeeded');
    expect((await repository.tenants.get('ten_A'))?.value.fencingToken).toBe(6);
  });

  test('does not ask again at once when it cannot write what it wants', async () => {
    const definition = definitionOf([step('a', [])]);
    await enqueue(definition);
    let writes = 0;
    const replace = repository.tenants.replace;
    repository.tenants.replace = async () => {
      writes += 1;
      await new Promise((resolve) => setImmediate(resolve));
      throw new BurgageError('unavailable');
    };
    await startWorker(definition);
    await passUntil(() => clock.monotonicMs() >= 1_000);
    expect(writes).toBeGreaterThan(0);
    expect(writes).toBeLessThanOrEqual(1_000 / 50 + 1);
    repository.tenants.replace = replace;
    expect((await endOf()).state).toBe('succeeded');
  });

  test('ends an attempt before its lease does, where the lease cannot be renewed', async () => {
    let signal: AbortSignal | undefined;
    const long = step('a', [], {
      timeoutMs: 600_000,
      run: async (context) => {
        signal ??= context.signal;
        await clock.sleep(500_000, context.signal);
        return done('');
      },
    });
    const definition = definitionOf([long]);
    await startWorker(definition, { leaseMs: 9_000 });
    await enqueue(definition);
    await passUntil(() => signal !== undefined);
    const startedMs = clock.monotonicMs();
    const replace = repository.tenants.replace;
    repository.tenants.replace = () => Promise.reject(new BurgageError('unavailable'));
    await passUntil(() => signal?.aborted === true, 500);
    expect(clock.monotonicMs() - startedMs).toBeLessThan(9_000);
    repository.tenants.replace = replace;
  });

  test('tells a step that is undone why: which one failed, or that somebody cancelled it', async () => {
    const reasons: unknown[] = [];
    const told = step('a', [], { undo: async ({ reason }) => void reasons.push(reason) });
    const fails = step('b', [], { run: () => Promise.reject(new BurgageError('copy_differs', { message: 'Not the same.' })) });
    const waits = step('b', [], { run: async () => ({ type: 'waits', detail: '', until: new Date(clock.now().getTime() + 60_000) }) });
    for (const [id, second] of [
      ['op_provision_F', fails],
      ['op_provision_C', waits],
    ] as const) {
      const definition = definitionOf([told, second, step('c', [])]);
      const worker = await startWorker(definition);
      await enqueue(definition, id, `ten_${id}`);
      if (second === waits) {
        await passUntil(async () => (await repository.get(id))?.steps[1]?.state === 'waiting');
        await repository.change(`ten_${id}`, (value) => {
          const [operation] = value.queue;
          if (operation === undefined) return undefined;
          const at = clock.now().toISOString();
          return { value: withQueued(value, transition(operation, { type: 'cancel_requested' }, at), at), outbox: [] };
        });
      }
      await endOf(id);
      await worker.stop();
    }
    expect(reasons).toEqual(['Step b failed: Not the same.', 'Somebody asked for it to be cancelled.']);
  });

  test('catches up at once with a token that somebody else has seen', async () => {
    const behind = step('a', [], {
      run: async ({ fence }) => {
        if (fence.token <= 50) throw new BurgageError('fenced', { metadata: { seen: '50' } });
        return done('');
      },
    });
    const definition = definitionOf([behind]);
    await startWorker(definition, { leaseMs: 3_600_000 });
    await enqueue(definition);
    expect((await endOf()).steps[0]).toMatchObject({ state: 'done', attempts: 2 });
  });

  test('puts an operation before a person whose step it does not know', async () => {
    const effects: string[] = [];
    await enqueue(definitionOf([step('a', effects), step('gone', effects)]));
    await startWorker(definitionOf([step('a', effects)]));
    const operation = await endOf();
    expect(operation).toMatchObject({ state: 'needs_attention', failedStep: 'gone' });
    expect(effects).toEqual(['run a 1']);
  });

  test('starts nothing on a tenant whose operation needs a person', async () => {
    const effects: string[] = [];
    const stays = step('a', effects, { undo: () => Promise.reject(new BurgageError('app_refused')) });
    const fails = step('b', effects, { run: () => Promise.reject(new BurgageError('app_refused')) });
    const definition = definitionOf([stays, fails, step('c', effects)]);
    await startWorker(definition);
    await enqueue(definition, 'op_provision_1');
    await enqueue(definition, 'op_provision_2');
    expect((await endOf('op_provision_1')).state).toBe('needs_attention');
    await passUntil(() => clock.monotonicMs() >= 30_000, 500);
    expect((await repository.get('op_provision_2'))?.state).toBe('queued');
    expect(effects).toEqual(['run a 1', 'undo b 1']);
  });

  test('leaves an operation of a definition version that it does not know to others', async () => {
    const effects: string[] = [];
    const newer = { ...definitionOf([step('a', effects)]), version: 2 };
    await startWorker(definitionOf([step('a', effects)]));
    await enqueue(newer, 'op_provision_N', 'ten_N');
    await enqueue(definitionOf([step('a', effects)]), 'op_provision_A', 'ten_A');
    expect((await endOf()).state).toBe('succeeded');
    expect((await repository.get('op_provision_N'))?.state).toBe('queued');
  });

  test('is given nothing to look at that it cannot carry out, however much of it is due', async () => {
    const effects: string[] = [];
    const known = definitionOf([step('a', effects)]);
    for (let number = 1; number <= 120; number += 1) await enqueue({ ...known, version: 2 }, `op_provision_${number}`, `ten_${number}`);
    // A tenant whose document was written by newer code, due for longest.
    const newer = store.documents({ ...tenantOperationsType, schemaVersion: 2, upgrade: (value) => value as TenantOperations });
    const [queued] = (await repository.tenants.get('ten_1'))?.value.queue ?? [];
    if (!queued) throw new Error('nothing was enqueued');
    const dueLongest = { ...queued, definitionVersion: 1, dueAt: new Date(0).toISOString() };
    await newer.insert('ten_0', { ...emptyTenantOperations('ten_0'), queue: [dueLongest] });

    const given = new Set<string>();
    const list = repository.tenants.list.bind(repository.tenants);
    repository.tenants.list = async (query) => {
      const page = await list(query);
      for (const { id } of page.items) given.add(id);
      return page;
    };
    await startWorker(known);
    await enqueue(known);
    expect((await endOf()).state).toBe('succeeded');
    expect([...given]).toEqual(['ten_A']);
  });

  test('makes one operation of a hundred requests for it at once', async () => {
    const definition = definitionOf([step('a', [])]);
    const operations = await Promise.all(Array.from({ length: 100 }, () => enqueue(definition)));
    expect(new Set(operations.map(({ id }) => id)).size).toBe(1);
    expect((await repository.tenants.get('ten_A'))?.value.queue).toHaveLength(1);
    expect((await repository.list({ pageSize: 10 })).operations).toHaveLength(1);
  });
});
