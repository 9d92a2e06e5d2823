// One namespace on one connection: requests that outlast a short outage and make missing streams again.
import { invalidField } from '@burgage/contracts';
import type { Clock, Logger, Random } from '@burgage/runtime';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/transport-node';
import type { DeadLetters } from './dead-letters.ts';
import { asNatsError, faultOf, isTaken } from './faults.ts';
import type { Layout } from './layout.ts';
import { type Link, within } from './link.ts';
import { messageBytes } from './message.ts';
import { ensureStreams, type StreamLimits } from './streams.ts';

export interface Message {
  readonly stream: string;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  /** A second message with the same one within the stream's window is not stored. */
  readonly messageId?: string;
  /** Stored only where the subject has no message. */
  readonly onlyFirst?: boolean;
  /** How much smaller it must be than the largest message that the server takes; default 0. */
  readonly spareBytes?: number;
}

/** What everything that works on a broker shares. */
export interface Parts {
  readonly broker: Broker;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger | undefined;
}

/** A request that has no answer by then is refused with `unavailable`, whatever happens. */
const budgetMs = 4_500;
/** After so long without an answer a request is made again: the connection may have gone away under it. */
const attemptTimeoutMs = 1_500;
const flushTimeoutMs = 2_000;
const pauseMinMs = 10;
const pauseMaxMs = 500;

export class Broker {
  readonly link: Link;
  readonly layout: Layout;
  readonly manager: JetStreamManager;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #limits: StreamLimits;
  readonly #jetstream: JetStreamClient;
  #known = false;
  #ensuring: Promise<void> | undefined;
  /** Answers about deliveries that were given while the connection was down. */
  #unsent: [reply: string, answer: Uint8Array][] = [];

  private constructor(
    link: Link,
    layout: Layout,
    limits: StreamLimits,
    manager: JetStreamManager,
    clock: Clock,
    logger: Logger | undefined,
  ) {
    this.link = link;
    this.layout = layout;
    this.manager = manager;
    this.#limits = limits;
    this.#clock = clock;
    this.#logger = logger;
    this.#jetstream = jetstream(link.connection);
    link.onReconnect(() => this.#sendUnsent());
  }

  static async open(link: Link, layout: Layout, limits: StreamLimits, clock: Clock, logger: Logger | undefined): Promise<Broker> {
    const manager = await jetstreamManager(link.connection, { checkAPI: false, timeout: attemptTimeoutMs });
    const broker = new Broker(link, layout, limits, manager, clock, logger);
    await broker.attempt('make its streams', () => broker.ensureStreams());
    return broker;
  }

  /** Makes what is missing; several who find it so at once do it once. */
  ensureStreams(): Promise<void> {
    this.#ensuring ??= ensureStreams(this.manager, this.layout, this.#limits, this.#known, this.#clock)
      .then((lost) => {
        this.#known = true;
        if (lost) this.#logger?.error({ stream: this.layout.eventsStream }, 'events: the stream was lost and is made again');
      })
      .finally(() => {
        this.#ensuring = undefined;
      });
    return this.#ensuring;
  }

  /**
   * Runs `request` until it succeeds; waits for the connection and makes missing streams in between. It must be harmless to
   * repeat. `what` NATS should do: `publish`.
   *
   * @throws BurgageError `unavailable` after at most five seconds; others at once.
   */
  async attempt<T>(what: string, request: (timeoutMs: number) => Promise<T>): Promise<T> {
    const endMs = this.#clock.monotonicMs() + budgetMs;
    let last: unknown = new Error('the connection is down');
    for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(2 * pauseMs, pauseMaxMs)) {
      const leftMs = endMs - this.#clock.monotonicMs();
      if (leftMs < 1 || !(await this.link.whenUp(leftMs))) throw asNatsError(last, what);
      try {
        return await request(Math.max(1, Math.min(attemptTimeoutMs, endMs - this.#clock.monotonicMs())));
      } catch (error) {
        last = error;
        if (faultOf(error) === 'missing') {
          const made = this.ensureStreams().then(
            () => error,
            (reason: unknown) => reason,
          );
          last = (await within(this.#clock, endMs - this.#clock.monotonicMs(), made)) ?? error;
        }
        if (faultOf(last) === 'final') throw asNatsError(last, what);
        await this.#clock.sleep(Math.min(pauseMs, endMs - this.#clock.monotonicMs()));
      }
    }
  }

  /** Resolves when the message is stored, or where one of the same id or subject was. @throws BurgageError `invalid_argument` where it is too large. */
  async publish({ stream, subject, data, headers, messageId, onlyFirst = false, spareBytes = 0 }: Message): Promise<void> {
    const options = {
      headers,
      ...(messageId === undefined ? {} : { msgID: messageId }),
      expect: { streamName: stream, ...(onlyFirst ? { lastSubjectSequence: 0 } : {}) },
    };
    const bytes = messageBytes(headers, data) + spareBytes;
    await this.attempt('publish', async (timeout) => {
      const bytesMax = this.link.connection.info?.max_payload ?? bytes;
      if (bytes > bytesMax) throw invalidField('data', `${data.length} bytes came, expected at most ${data.length - (bytes - bytesMax)}`);
      try {
        await this.#jetstream.publish(subject, data, { ...options, timeout });
      } catch (error) {
        if (!isTaken(error)) throw error;
      }
    });
  }

  /** Answers the server about a delivery. One that is lost has the event delivered again. */
  answer(reply: string, answer: Uint8Array): void {
    if (this.link.up) this.link.send(reply, answer);
    else this.#unsent.push([reply, answer]);
  }

  /** Resolves when the server has seen all answers; where it does not answer itself, soon. */
  async flush(): Promise<void> {
    await this.link.flush(flushTimeoutMs);
  }

  #sendUnsent(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const [reply, answer] of unsent) this.answer(reply, answer);
  }
}
