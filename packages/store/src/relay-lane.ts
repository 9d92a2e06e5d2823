// One lane of the outbox relay: brings the items of one target from the outboxes to their handler.
import { type Clock, Doorbell, type Logger } from '@burgage/runtime';
import type { Documents, OutboxItem, PendingOutbox, Stored } from './port.ts';
import type { OutboxHandler } from './relay.ts';

export interface RelayLaneOptions {
  readonly documents: readonly Documents<unknown>[];
  readonly takes: (target: string) => boolean;
  readonly handler: OutboxHandler;
  readonly logger: Pick<Logger, 'warn'>;
  readonly clock: Clock;
  /** Between two looks. */
  readonly intervalMs: number;
  readonly observe?: (target: string, outcome: 'relayed' | 'failed', itemCount: number) => void;
}

/** Documents asked for at once. */
const pageSize = 100;
/** So many intervals is an item of another process's write left to that process: longer than a slow store or a busy machine takes. */
const patience = 5;
/** Documents relayed at once; a handler that hangs holds one place. */
const concurrencyMax = 32;
const backoffMsMin = 200;
/** Low enough that everything flows again within seconds of a broker's return. */
const backoffMsMax = 5_000;

interface Backoff {
  readonly failures: number;
  /** Monotonic. */
  readonly untilMs: number;
}

/** One document among all types. */
interface Place {
  readonly key: string;
  readonly documents: Documents<unknown>;
  readonly id: string;
}

/** The oldest item that a document had when it was seen to wait, and since when. */
interface Sighting {
  readonly item: string;
  /** Monotonic. */
  readonly sinceMs: number;
}

export class RelayLane {
  readonly takes: (target: string) => boolean;
  readonly #options: RelayLaneOptions;
  readonly #doorbell: Doorbell;
  readonly #running = new Map<string, Promise<void>>();
  readonly #backoffs = new Map<string, Backoff>();
  readonly #stopping = new AbortController();
  /** Undefined before the first look: what waits then is taken up at once. */
  #sightings: ReadonlyMap<string, Sighting> | undefined;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(options: RelayLaneOptions) {
    this.#options = options;
    this.takes = options.takes;
    this.#doorbell = new Doorbell(options.clock);
  }

  start(): void {
    this.#sweeping = this.#sweepUntilStopped();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#sweeping;
    await Promise.all(this.#running.values());
  }

  ring(documents: Documents<unknown>, id: string): void {
    void this.#relayAnew(this.#placeOf(documents, id));
  }

  async flush(documents: Documents<unknown>, id: string): Promise<void> {
    await this.#relayAnew(this.#placeOf(documents, id));
  }

  async flushAll(): Promise<void> {
    const relayed: Promise<void>[] = [];
    for await (const [place] of this.#waiting()) {
      await this.#freePlace();
      relayed.push(this.#relayAnew(place));
    }
    await Promise.all(relayed);
  }

  #placeOf(documents: Documents<unknown>, id: string): Place {
    const index = this.#options.documents.indexOf(documents);
    if (index === -1) throw new RangeError(`the relay was not given the documents that hold "${id}"`);
    return { key: `${index} ${id}`, documents, id };
  }

  async #sweepUntilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let waitMs = this.#options.intervalMs;
      try {
        await this.#sweep(signal);
        waitMs = this.#untilNextSweepMs();
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'cannot look for outboxes; will look again');
      }
      await this.#doorbell.wait(waitMs, signal);
    }
  }

  /** Begins to relay every document that is due, but does not wait for the last of them: one that hangs keeps nobody else. */
  async #sweep(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const known = this.#sightings;
    const sightings = new Map<string, Sighting>();
    for await (const [place, item] of this.#waiting()) {
      const nowMs = clock.monotonicMs();
      const before = known?.get(place.key);
      const sighting = before?.item === item ? before : { item, sinceMs: nowMs };
      sightings.set(place.key, sighting);
      const dueMs = this.#backoffs.get(place.key)?.untilMs ?? (known === undefined ? nowMs : sighting.sinceMs + patience * intervalMs);
      if (dueMs > nowMs || this.#running.has(place.key)) continue;
      await this.#freePlace();
      if (signal.aborted) return;
      if (!this.#running.has(place.key)) void this.#begin(place);
    }
    this.#sightings = sightings;
    // Another relay may have succeeded where this one failed.
    for (const key of this.#backoffs.keys()) if (!sightings.has(key) && !this.#running.has(key)) this.#backoffs.delete(key);
  }

  /** What waits for this lane, each with its oldest item. */
  async *#waiting(): AsyncGenerator<readonly [place: Place, item: string]> {
    for (const [index, documents] of this.#options.documents.entries()) {
      let page: readonly PendingOutbox[];
      let after: string | undefined;
      do {
        page = await documents.pendingOutbox(pageSize, after);
        for (const { id, outbox } of page) {
          const first = outbox.find((item) => this.takes(item.target));
          if (first !== undefined) yield [{ key: `${index} ${id}`, documents, id }, first.id];
        }
        after = page.at(-1)?.id;
      } while (page.length === pageSize);
    }
  }

  async #freePlace(): Promise<void> {
    while (this.#running.size >= concurrencyMax) await Promise.race(this.#running.values());
  }

  /** A run that is under way may have read the outbox before the caller's write: it is waited for, then begun again. */
  async #relayAnew(place: Place): Promise<void> {
    for (let running = this.#running.get(place.key); running !== undefined; running = this.#running.get(place.key)) await running;
    await this.#begin(place);
  }

  #begin(place: Place): Promise<void> {
    const run = this.#relay(place)
      .then(
        () => this.#backoffs.delete(place.key),
        (error: unknown) => this.#backOff(place, error),
      )
      .then(() => {
        this.#running.delete(place.key);
      });
    this.#running.set(place.key, run);
    return run;
  }

  async #relay({ documents, id }: Place): Promise<void> {
    for (;;) {
      // Read anew, as another relay may have been faster and more may have come.
      const document = await documents.get(id);
      const first = document?.outbox.find((item) => this.takes(item.target));
      if (document === undefined || first === undefined) return;
      const items = document.outbox.filter((item) => item.target === first.target);
      await this.#handle(first.target, items, document);
      await documents.pullOutbox(
        id,
        items.map((item) => item.id),
      );
    }
  }

  async #handle(target: string, items: readonly OutboxItem[], document: Stored<unknown>): Promise<void> {
    try {
      await this.#options.handler(items, document);
    } catch (error) {
      this.#options.observe?.(target, 'failed', items.length);
      throw error;
    }
    this.#options.observe?.(target, 'relayed', items.length);
  }

  #backOff(place: Place, error: unknown): void {
    const failures = (this.#backoffs.get(place.key)?.failures ?? 0) + 1;
    const delayMs = Math.min(backoffMsMin * 2 ** (failures - 1), backoffMsMax);
    this.#backoffs.set(place.key, { failures, untilMs: this.#options.clock.monotonicMs() + delayMs });
    this.#options.logger.warn({ err: error, id: place.id, failures, delayMs }, 'outbox not relayed; will try again');
    // The sweep may sleep for longer than this one has to wait.
    this.#doorbell.ring();
  }

  #untilNextSweepMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    let waitMs = this.#options.intervalMs;
    for (const [key, backoff] of this.#backoffs) {
      // Who runs at this moment rings when it fails again.
      if (!this.#running.has(key)) waitMs = Math.min(waitMs, Math.max(backoff.untilMs - nowMs, 0));
    }
    return waitMs;
  }
}
