// Runs operations in simulated time, with chosen faults, and looks at what they leave behind.
import { createLogger, createMetrics, ManualClock, seededRandom } from '@burgage/runtime';
import { digestOf, type Isolation } from '@burgage/tenancy';
import { isOver, type Operation, type OperationKind } from '../../domain/operation.ts';
import { operationDefinitions } from '../../domain/operations/index.ts';
import { OperationRepository } from '../../engine/repository.ts';
import { Worker } from '../../engine/worker.ts';
import { provisionerMetrics } from '../../metrics.ts';
import { Operations } from '../../operations.ts';
import { Possessions } from '../../possessions.ts';
import { MemoryStore } from './memory-store.ts';
import { type Fate, SimulatedProcess } from './process.ts';
import { sharedUpstream, World } from './world.ts';

const logger = createLogger({ service: 'simulation', level: 'silent' });
const metrics = provisionerMetrics(createMetrics());
export const leaseMs = 10_000;
/** A process that ended is started again after this. */
const restartMs = 700;
/** One that stands still does so for longer than its lease, and longer than what takes its place needs. */
const pauseMs = 60_000;
/** Longer than all attempts of a step that has no way back. */
const limitMs = 4 * 60 * 60_000;

export interface Wish {
  readonly kind: OperationKind;
  readonly tenantId: string;
  readonly to?: Isolation;
}

export function tenantIdOf(name: string): string {
  return `ten_${digestOf(name, 26)}`;
}

/** One platform: a store, a world, and workers that end and come back. */
export class Simulation {
  readonly clock = new ManualClock();
  readonly world = new World();
  readonly store = new MemoryStore();
  readonly operations: Operations;
  readonly repository: OperationRepository;
  readonly possessions: Possessions;
  readonly #fate: Fate;
  readonly #seed: number;
  readonly #running: { process: SimulatedProcess; worker: Worker; name: string; pausedAtMs?: number; endedAtMs?: number }[] = [];
  #boots = 0;

  constructor(seed: number, fate: Fate, { dedicated = true }: { readonly dedicated?: boolean } = {}) {
    this.#seed = seed;
    this.#fate = fate;
    // Whoever asks and looks is a process that nothing happens to.
    const calm = new SimulatedProcess('calm', this.clock, () => undefined);
    const infrastructure = this.world.infrastructure(calm);
    this.repository = this.#repositoryOf(calm);
    const definitions = operationDefinitions({ infrastructure, sharedUpstream, clock: this.clock });
    this.operations = new Operations({
      repository: this.repository,
      tenants: infrastructure.tenants,
      definitions,
      clock: this.clock,
      metrics,
      dedicated,
    });
    this.possessions = new Possessions({ infrastructure, repository: this.repository, sharedUpstream });
  }

  async start(name: string): Promise<void> {
    this.#boots += 1;
    const boot = `boot-${this.#boots}`;
    const process = new SimulatedProcess(`${name} ${boot}`, this.clock, this.#fate);
    const worker = new Worker({
      repository: this.#repositoryOf(process),
      definitions: operationDefinitions({ infrastructure: this.world.infrastructure(process), sharedUpstream, clock: this.clock }),
      clock: this.clock,
      random: seededRandom(this.#seed + this.#boots),
      logger,
      metrics,
      name,
      boot,
      concurrency: 4,
      leaseMs,
      pollMs: 1_000,
    });
    this.#running.push({ process, worker, name });
    // A process that cannot start ends, and is started again as any other that has ended.
    void worker.start().catch(() => {
      process.isDead = true;
    });
    await this.clock.advance(0);
  }

  async ask({ kind, tenantId, to = 'pool' }: Wish, key: string): Promise<Operation> {
    const asked = { tenant: tenantId, key };
    switch (kind) {
      case 'provision':
        return await this.operations.provision(tenantId);
      case 'suspend':
        return await this.operations.suspend(asked, 'unpaid');
      case 'resume':
        return await this.operations.resume(asked, 'unpaid');
      case 'change_plan':
        return await this.operations.changePlan(asked, 'professional');
      case 'move':
        return await this.operations.move(asked, to);
      case 'terminate':
        return await this.operations.terminate(asked, true, this.world.tenants.get(tenantId)?.slug ?? '');
      default:
        return kind satisfies never;
    }
  }

  /** Lets time pass until `condition` holds; starts again who ended, and lets go on who stood still for long enough. */
  async until(condition: () => Promise<boolean> | boolean, each: () => Promise<void> | void = () => undefined): Promise<void> {
    const giveUpAtMs = this.clock.monotonicMs() + limitMs;
    while (!(await condition())) {
      if (this.clock.monotonicMs() > giveUpAtMs) throw new Error('it did not come to an end in hours');
      await this.clock.advance(500);
      await this.#tend();
      await each();
    }
  }

  /** Until every operation is over; where one needs a person, the person has it tried again. */
  async settle(ids: readonly string[], each?: () => Promise<void> | void): Promise<readonly Operation[]> {
    await this.until(async () => {
      const operations = await Promise.all(ids.map((id) => this.repository.get(id)));
      for (const operation of operations) {
        if (operation?.state === 'needs_attention') await this.operations.retry(operation.id);
      }
      return operations.every((operation) => operation && isOver(operation));
    }, each);
    // Who stands still has not noticed yet, and what comes late has not come yet.
    await this.until(() => !this.#running.some(({ process }) => process.isPaused || process.isLate), each);
    const endMs = this.clock.monotonicMs() + 1_000;
    await this.until(() => this.clock.monotonicMs() > endMs, each);
    return (await Promise.all(ids.map((id) => this.repository.get(id)))) as Operation[];
  }

  async stop(): Promise<void> {
    // Who is gone or stands still never ends.
    const stopping = this.#running.filter(({ process }) => !process.isDead && !process.isPaused).map(({ worker }) => worker.stop());
    const stopped = Promise.all(stopping).then(() => true);
    for (let turn = 0; turn < 50; turn += 1) {
      if (await Promise.race([stopped, this.clock.advance(1_000).then(() => false)])) return;
    }
  }

  async #tend(): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    for (const one of this.#running) {
      if (one.process.isDead) {
        one.endedAtMs ??= nowMs;
        if (nowMs - one.endedAtMs < restartMs) continue;
        this.#running.splice(this.#running.indexOf(one), 1);
        await this.start(one.name);
        return;
      }
      if (!one.process.isPaused) {
        delete one.pausedAtMs;
        continue;
      }
      one.pausedAtMs ??= nowMs;
      if (nowMs - one.pausedAtMs >= pauseMs) one.process.resume();
    }
  }

  #repositoryOf(process: SimulatedProcess): OperationRepository {
    return new OperationRepository({
      store: process.store(this.store),
      clock: this.clock,
      random: seededRandom(this.#seed),
      logger,
      publish: async () => undefined,
    });
  }
}

/** @throws Error saying what is wrong with what the operations left behind. */
export async function checkLeftovers(
  simulation: Simulation,
  operations: readonly Operation[],
  expected: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const { world, possessions } = simulation;
  const signal = new AbortController().signal;
  const wrong: string[] = [];
  const orphans = (await possessions.list({ tenantId: '', orphans: true }, signal)).map(({ id }) => id);
  if (orphans.length > 0) wrong.push(`nobody owns ${orphans.join(', ')}`);
  for (const operation of operations) wrong.push(...wrongWithLog(operation));
  for (const tenant of world.tenants.values()) {
    const say = (what: string): void => void wrong.push(`tenant ${tenant.id} (${tenant.state}, ${tenant.isolation}) ${what}`);
    if (!['active', 'failed', 'terminated'].includes(tenant.state)) say('is in the middle of something');
    if (tenant.moving) say('is said to be moving');
    const has = (await possessions.list({ tenantId: tenant.id, orphans: false }, signal)).map(({ id }) => id);
    if (tenant.state !== 'active') {
      if (has.length > 0) say(`has ${has.join(', ')}`);
      if (tenant.slug !== '' || tenant.hosts.length > 0) say('has its slug or its hosts');
      continue;
    }
    const seat = world.seatOf(tenant.id);
    if (!seat) say('leads nowhere');
    if (seat?.isFrozen) say('takes no writes');
    if (seat?.unfinished) say('has a part of its rows');
    if (seat?.owner !== tenant.ownerEmail) say('has no owner');
    if (!world.files.has(tenant.id)) say('has no files');
    const wantedRows = [...(expected.get(tenant.id) ?? [])].sort();
    if (seat && JSON.stringify([...seat.rows].sort()) !== JSON.stringify(wantedRows))
      say(`has ${seat.rows.length} rows, expected ${wantedRows.length}`);
    if ((tenant.isolation === 'silo') !== world.upstreams.has(`${tenant.id.toLowerCase()}-silo`))
      say('has an upstream that is not of its isolation');
  }
  for (const [name, { isRunning }] of world.instances) if (!isRunning) wrong.push(`the port of ${name} was not given back`);
  for (const operation of operations) {
    const seen = new Map<string, number>();
    for (const { operationId, what } of world.changes) if (operationId === operation.id) seen.set(what, (seen.get(what) ?? 0) + 1);
    for (const [what, times] of seen) if (times > 1) wrong.push(`${operation.id} did "${what}" ${times} times`);
  }
  if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${operations.map(lifeOf).join('\n')}`);
}

function wrongWithLog({ id, log, state }: Operation): readonly string[] {
  const wrong: string[] = [];
  if (log.some(({ sequence }, index) => sequence !== index + 1)) wrong.push(`the log of ${id} has gaps`);
  const first = (wanted: string): string[] => [...new Set(log.filter(({ stepState }) => stepState === wanted).map(({ step }) => step))];
  const ran = first('running');
  const undone = first('undone');
  // One that never began takes back what it was asked for, at its first step.
  const order = ran.length === 0 ? undone.slice(0, 1) : ran.filter((step) => undone.includes(step)).toReversed();
  if (JSON.stringify(order) !== JSON.stringify(undone)) wrong.push(`${id} undid ${undone.join(', ')} where it had run ${ran.join(', ')}`);
  if (
    (state === 'failed' || state === 'cancelled') &&
    ran.some((step) => !undone.includes(step) && log.some((entry) => entry.step === step && entry.stepState === 'done'))
  )
    wrong.push(`${id} left a step that was done`);
  return wrong;
}

/** An operation's log, for whoever has to find out. */
export function lifeOf(operation: Operation): string {
  return [
    `${operation.id} ${operation.state}`,
    ...operation.log.map(
      ({ sequence, at, step, stepState, operationState, attempt, detail, error }) =>
        `  ${sequence} ${at.slice(11, 23)} ${operationState} ${step} ${stepState ?? ''} ${attempt} ${detail} ${error ? `${error.code}: ${error.message}` : ''}`,
    ),
  ].join('\n');
}
