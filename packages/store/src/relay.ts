// The outbox relay: does what writes have left to be done, at least once, and in order for each document and target.
import { BurgageError } from '@burgage/contracts';
import { type Clock, type Component, Doorbell, type Logger } from '@burgage/runtime';
import type { Documents, OutboxItem, Stored } from './port.ts';

/**
 * Does what `items` ask for: all in the outbox of `document` with the same target, oldest first. Resolving means
 * done for good; throwing has them given again, together with what has come behind them. The same item may come twice.
 */
export type OutboxHandler = (items: readonly OutboxItem[], document: Stored<unknown>) => Promise<void>;

export interface OutboxRelayOptions {
  readonly documents: readonly Documents<unknown>[];
  /** Target of an item (`event`, `journal:routes`) -> what is done with it. */
  readonly handlers: Readonly<Record<string, OutboxHandler>>;
  readonly logger: Pick<Logger, 'warn'>;
  readonly clock: Clock;
  /** Between two looks for what nobody rang for; default 1,000. */
  readonly intervalMs?: number;
  /** Told of every call of a handler. */
  readonly observe?: (target: string, outcome: 'relayed' | 'failed', itemCount: number) => void;
}

export interface OutboxRelay extends Component {
  /** Says that some document may have something to relay; returns at once. */
  ring(): void;
  /**
   * Relays the documents with this id, or all that wait, now, whether started or not, whatever their backoff. Resolves
   * when what their outboxes held at the call is relayed or has failed; a failure is logged and tried again later, as
   * the write that asked for it stands.
   */
  flush(id?: string): Promise<void>;
}

/** Documents asked for at once. */
const pageSize = 100;
/** Documents relayed at once; a handler that hangs holds one place. */
const concurrencyMax = 32;
const backoffMsMin = 200;
const backoffMsMax = 30_000;

interface Backoff {
  readonly failures: number;
  /** Monotonic. */
  readonly untilMs: number;
}

/**
 * Several relays may work on the same documents: each item is handled at least once, and for the first time only after
 * all before it in its document that have the same target.
 */
export function createOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  return new Relay(options);
}

/** One document among all types. */
interface Place {
  readonly key: string;
  readonly documents: Documents<unknown>;
  readonly id: string;
}

class Relay implements OutboxRelay {
  readonly name = 'outbox relay';
  readonly #options: OutboxRelayOptions;
  readonly #intervalMs: number;
  readonly #doorbell: Doorbell;
  readonly #running = new Map<string, Promise<void>>();
  readonly #backoffs = new Map<string, Backoff>();
  readonly #stopping = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? 1_000;
    this.#doorbell = new Doorbell(options.clock);
  }

  async start(): Promise<void> {
    this.#sweeping = this.#sweepUntilStopped();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#sweeping;
    await Promise.all(this.#running.values());
  }

  ring(): void {
    this.#doorbell.ring();
  }

  async flush(id?: string): Promise<void> {
    if (id !== undefined) {
      await Promise.all(this.#options.documents.map((_, index) => this.#relayAnew(this.#place(index, id))));
      return;
    }
    const relayed: Promise<void>[] = [];
    for await (const place of this.#pending()) {
      await this.#freePlace();
      relayed.push(this.#relayAnew(place));
    }
    await Promise.all(relayed);
  }

  async #sweepUntilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let waitMs = this.#intervalMs;
      try {
        await this.#sweep(signal);
        waitMs = this.#untilNextSweepMs();
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'cannot look for outboxes; will look again');
      }
      await this.#doorbell.wait(waitMs, signal);
    }
  }

  /** Begins to relay every document that waits, but does not wait for the last of them: one that hangs keeps nobody else. */
  async #sweep(signal: AbortSignal): Promise<void> {
    const pending = new Set<string>();
    for await (const place of this.#pending()) {
      pending.add(place.key);
      const backoff = this.#backoffs.get(place.key);
      if (backoff !== undefined && backoff.untilMs > this.#options.clock.monotonicMs()) continue;
      await this.#freePlace();
      if (signal.aborted) return;
      if (!this.#running.has(place.key)) void this.#begin(place);
    }
    // Another relay may have succeeded where this one failed.
    for (const key of this.#backoffs.keys()) if (!pending.has(key) && !this.#running.has(key)) this.#backoffs.delete(key);
  }

  async *#pending(): AsyncGenerator<Place> {
    for (const [index, documents] of this.#options.documents.entries()) {
      let page: readonly Stored<unknown>[];
      let after: string | undefined;
      do {
        page = await documents.pendingOutbox(pageSize, after);
        for (const { id } of page) yield this.#place(index, id);
        after = page.at(-1)?.id;
      } while (page.length === pageSize);
    }
  }

  #place(index: number, id: string): Place {
    const documents = this.#options.documents[index];
    if (documents === undefined) throw new RangeError(`no documents at ${index}`);
    return { key: `${index} ${id}`, documents, id };
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

  /** Target by target, each in order: what one target cannot take now keeps nothing of another back. */
  async #relay({ documents, id }: Place): Promise<void> {
    const failed = new Map<string, unknown>();
    for (;;) {
      // Read anew, as another relay may have been faster and more may have come.
      const document = await documents.get(id);
      const first = document?.outbox.find((item) => !failed.has(item.target));
      if (document === undefined || first === undefined) break;
      const items = document.outbox.filter((item) => item.target === first.target);
      try {
        await this.#handle(first.target, items, document);
      } catch (error) {
        failed.set(first.target, error);
        continue;
      }
      await documents.pullOutbox(
        id,
        items.map((item) => item.id),
      );
    }
    for (const error of failed.values()) throw error;
  }

  async #handle(target: string, items: readonly OutboxItem[], document: Stored<unknown>): Promise<void> {
    const handler = Object.hasOwn(this.#options.handlers, target) ? this.#options.handlers[target] : undefined;
    try {
      if (handler === undefined)
        throw new BurgageError('internal', { message: `outbox of "${document.id}": nobody handles the target "${target}"` });
      await handler(items, document);
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
    let waitMs = this.#intervalMs;
    for (const [key, backoff] of this.#backoffs) {
      // Who runs at this moment rings when it fails again.
      if (!this.#running.has(key)) waitMs = Math.min(waitMs, Math.max(backoff.untilMs - nowMs, 0));
    }
    return waitMs;
  }
}
