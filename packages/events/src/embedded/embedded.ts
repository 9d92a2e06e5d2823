// The embedded adapter of the events: one SQLite file, shared by any number of processes of one machine.

import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { type Clock, Doorbell, type Logger, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { checkConsumer, checkEvent, checkLimit, closedError, completeOptions } from '../checks.ts';
import type { DeadLetter, Event, Events, SubscribeOptions, Subscription } from '../port.ts';
import { logFailure, RunningHandlers, type Settlement } from '../running-handlers.ts';
import { openFile, sqliteCode, sqliteCodes } from './file.ts';
import { createLedger, type Ledger, type LedgerClaim } from './ledger.ts';

export interface EmbeddedEventsOptions {
  /** Made with mode 0600 where it does not exist; its folder must. */
  readonly file: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Events are kept this long at least, handled or not; default 7 days. An event's id is known as a duplicate for as long. */
  readonly retentionMs?: number;
}

/** A change that waits for the next turn. */
interface Job {
  readonly run: (nowMs: number) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Monotonic. */
  readonly sinceMs: number;
}

const dayMs = 24 * 60 * 60 * 1_000;
/** How soon events of other processes are noticed: the file is looked at so often while somebody subscribes. */
const pollMs = 20;
/** Pause after a turn that another process's write lock kept out. */
const busyPauseMs = 5;
/** Pause after a turn that the disk refused. */
const failurePauseMs = 200;
/** A change that the lock keeps out for longer is refused. */
const busyBudgetMs = 5_000;
/** Changes of one transaction; bounds how long a turn holds the lock and the event loop. */
const jobsPerTurnMax = 1_000;
/** A lease outlasts the time that a handler has, so that a process that lives settles its own late handlers. */
const leaseGraceMs = 250;
const purgeEveryMs = 60 * 60 * 1_000;
const purgeBatch = 200;

/**
 * Events in `file`: durable when published, delivered at least once, shared with other processes that open the same file.
 *
 * @throws BurgageError `data_folder_newer`, `data_corrupt` (the file is something else), `unavailable` (it cannot be opened).
 */
export async function openEmbeddedEvents(options: EmbeddedEventsOptions): Promise<Events> {
  return new EmbeddedEvents(openFile(options.file), options);
}

/**
 * Everything is done in turns: one transaction takes the changes that wait, settles the deliveries that ended and leases
 * new ones, so that one fsync pays for all of them and a published event is leased by the commit that makes it durable.
 */
class EmbeddedEvents implements Events {
  readonly #database: DatabaseSync;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger | undefined;
  readonly #retentionMs: number;
  readonly #subscriptions = new Set<RunningHandlers<LedgerClaim>>();
  #jobs: Job[] = [];
  #settlements: Settlement<LedgerClaim>[] = [];
  #rung = false;
  readonly #bell: Doorbell;
  #dataVersion: number | undefined;
  #purgePosition = 0;
  #purgeAtMs = 0;
  #failing = false;
  #ended = false;
  #closing: Promise<void> | undefined;
  readonly #pumping: Promise<void>;

  constructor(
    database: DatabaseSync,
    { clock = systemClock, random = systemRandom, logger, retentionMs = 7 * dayMs }: EmbeddedEventsOptions,
  ) {
    this.#database = database;
    this.#ledger = createLedger(database, Buffer.from(random.bytes(12)).toString('hex'));
    this.#clock = clock;
    this.#bell = new Doorbell(clock);
    this.#random = random;
    this.#logger = logger;
    this.#retentionMs = retentionMs;
    this.#pumping = this.#pump();
  }

  async publish(event: Event): Promise<void> {
    checkEvent(event);
    await this.#change((nowMs) => this.#ledger.publish(event, nowMs));
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const complete = completeOptions(options);
    await this.#change(() => this.#ledger.registerConsumer(complete.consumer, complete.subjects));
    if (this.#closing !== undefined) throw closedError();
    const handlers = new RunningHandlers<LedgerClaim>(complete, (settlement) => this.#settle(settlement), this.#clock, this.#random);
    this.#subscriptions.add(handlers);
    this.#ring();
    return { stop: () => this.#stop(handlers) };
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    checkLimit(limit);
    return this.#read(() => this.#ledger.deadLetters(limit));
  }

  async replay(deadLetterId: string): Promise<void> {
    await this.#change((nowMs) => this.#ledger.replay(deadLetterId, nowMs));
  }

  async discard(deadLetterId: string): Promise<void> {
    await this.#change(() => this.#ledger.discard(deadLetterId));
  }

  async removeConsumer(consumer: string): Promise<void> {
    checkConsumer(consumer);
    await this.#change(() => this.#ledger.removeConsumer(consumer));
  }

  async ping(): Promise<void> {
    this.#read(() => this.#ledger.ping());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((handlers) => this.#stop(handlers)));
    this.#ended = true;
    this.#ring();
    await this.#pumping;
    this.#database.close();
  }

  async #stop(handlers: RunningHandlers<LedgerClaim>): Promise<void> {
    await handlers.stop();
    this.#subscriptions.delete(handlers);
    if (this.#ended) return;
    // What the last handlers answered is durable before anybody may believe that they are done.
    await this.#change(() => {}).catch((error: unknown) =>
      this.#logger?.warn({ err: error }, 'events: the last answers of a subscription were not kept; they are delivered again'),
    );
  }

  #read<T>(read: () => T): T {
    if (this.#ended) throw closedError();
    try {
      return read();
    } catch (error) {
      throw asEventsError(error);
    }
  }

  #change(run: (nowMs: number) => void): Promise<void> {
    if (this.#ended) return Promise.reject(closedError());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#jobs.push({ run, resolve, reject, sinceMs: this.#clock.monotonicMs() });
    this.#ring();
    return promise;
  }

  #settle(settlement: Settlement<LedgerClaim>): void {
    this.#settlements.push(settlement);
    this.#ring();
    logFailure(this.#logger, settlement);
  }

  #ring(): void {
    this.#rung = true;
    this.#bell.ring();
  }

  async #pump(): Promise<void> {
    let dueAtMs = 0;
    while (!this.#ended || this.#jobs.length > 0 || this.#settlements.length > 0) {
      const untilDueMs = Math.max(0, dueAtMs - this.#clock.monotonicMs());
      await this.#bell.wait(Math.min(untilDueMs, this.#subscriptions.size === 0 ? purgeEveryMs : pollMs));
      // Lets everything that is ready now join the same transaction.
      if (this.#rung) await setImmediate();
      else if (this.#clock.monotonicMs() < dueAtMs && !this.#changedElsewhere()) continue;
      this.#rung = false;
      dueAtMs = await this.#turn();
    }
  }

  #changedElsewhere(): boolean {
    try {
      return this.#ledger.dataVersion() !== this.#dataVersion;
    } catch {
      return true;
    }
  }

  /** One transaction. Answers with the monotonic time at which the next is due, if nothing rings before. */
  async #turn(): Promise<number> {
    for (const handlers of this.#subscriptions) handlers.expire();
    const jobs = this.#jobs.splice(0, jobsPerTurnMax);
    const settlements = this.#settlements;
    this.#settlements = [];
    try {
      this.#dataVersion = this.#ledger.dataVersion();
      this.#database.exec('BEGIN IMMEDIATE');
      const nowMs = this.#clock.now().getTime();
      const answers = jobs.map((job) => answerOf(job, nowMs));
      for (const settlement of settlements) this.#apply(settlement, nowMs);
      this.#purge(nowMs);
      const started = this.#claim(nowMs);
      const dueAtMs = this.#nextDueAtMs(nowMs);
      this.#database.exec('COMMIT');
      this.#failing = false;
      for (const answer of answers) answer();
      for (const [handlers, claim] of started) handlers.start(claim);
      if (this.#jobs.length > 0) this.#ring();
      return Math.min(dueAtMs, this.#nextDeadlineMs());
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#settlements = [...settlements, ...this.#settlements];
      return this.#refuse(jobs, error);
    }
  }

  /** Puts the changes of a turn that did not happen back in line, or refuses them. */
  async #refuse(jobs: readonly Job[], error: unknown): Promise<number> {
    const busy = sqliteCode(error) === sqliteCodes.busy;
    const patientSinceMs = this.#clock.monotonicMs() - busyBudgetMs;
    const patient: Job[] = [];
    for (const job of jobs) {
      if (busy && job.sinceMs > patientSinceMs) patient.push(job);
      else job.reject(asEventsError(error));
    }
    this.#jobs = [...patient, ...this.#jobs];
    if (!busy && !this.#failing) this.#logger?.error({ err: error }, 'events: the file cannot be written; trying again');
    this.#failing = !busy;
    // Closing does not wait for the file: what was not kept is delivered again.
    if (this.#ended) this.#settlements = [];
    await this.#clock.sleep(busy ? busyPauseMs : failurePauseMs);
    this.#ring();
    return Number.POSITIVE_INFINITY;
  }

  #apply({ consumer, claim, outcome }: Settlement<LedgerClaim>, nowMs: number): void {
    switch (outcome.kind) {
      case 'handled':
        this.#ledger.acknowledge(consumer, claim);
        break;
      case 'retry':
        this.#ledger.retry(consumer, claim, nowMs + outcome.dueInMs);
        break;
      case 'dead':
        this.#ledger.fail(consumer, claim, outcome.reason, nowMs);
        break;
      default:
        outcome satisfies never;
    }
  }

  #claim(nowMs: number): [RunningHandlers<LedgerClaim>, LedgerClaim][] {
    const started: [RunningHandlers<LedgerClaim>, LedgerClaim][] = [];
    for (const handlers of this.#subscriptions) {
      const { consumer, ackTimeoutMs, attemptsMax } = handlers.options;
      const limit = handlers.freeSlots;
      if (limit <= 0) continue;
      const { claims, more } = this.#ledger.claim({ consumer, limit, nowMs, leaseEndMs: nowMs + ackTimeoutMs + leaseGraceMs, attemptsMax });
      for (const claim of claims) started.push([handlers, claim]);
      if (more) this.#ring();
    }
    return started;
  }

  #purge(nowMs: number): void {
    const monotonicMs = this.#clock.monotonicMs();
    if (monotonicMs < this.#purgeAtMs) return;
    const position = this.#ledger.purge(this.#purgePosition, nowMs - this.#retentionMs, purgeBatch);
    this.#purgePosition = position ?? 0;
    if (position === undefined) this.#purgeAtMs = monotonicMs + purgeEveryMs;
    else this.#ring();
  }

  /** Monotonic time at which a delivery of a consumer with free hands is due again. */
  #nextDueAtMs(nowMs: number): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const handlers of this.#subscriptions) {
      if (handlers.freeSlots > 0) dueMs = Math.min(dueMs, this.#ledger.nextDueMs(handlers.options.consumer) ?? dueMs);
    }
    return this.#clock.monotonicMs() + (dueMs - nowMs);
  }

  #nextDeadlineMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#subscriptions].map((handlers) => handlers.nextDeadlineMs));
  }
}

/** Runs a change inside the turn's transaction; what its caller is told waits for the commit. */
function answerOf(job: Job, nowMs: number): () => void {
  try {
    job.run(nowMs);
    return job.resolve;
  } catch (error) {
    if (!isBurgageError(error)) throw error;
    return () => job.reject(error);
  }
}

function asEventsError(error: unknown): BurgageError {
  if (isBurgageError(error)) return error;
  return new BurgageError('unavailable', { message: 'The events file cannot be used at the moment.', cause: error });
}
