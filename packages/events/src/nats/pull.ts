// Asks the server for the messages of a durable consumer, as many as there is room for, whatever happens to either.
import { Doorbell } from '@burgage/runtime';
import { createInbox, type Msg, nanos, type Subscription } from '@nats-io/transport-node';
import type { Parts } from './broker.ts';
import { within } from './link.ts';

/** One message of a consumer. */
export interface Delivered {
  readonly message: Msg;
  /** Where the server is answered. */
  readonly reply: string;
  /** From 1. */
  readonly deliveries: number;
  /** In the stream. */
  readonly sequence: number;
}

export interface PullOptions extends Omit<Parts, 'deadLetters'> {
  readonly stream: string;
  readonly consumer: string;
  /** Makes the consumer where it is missing. */
  readonly ensure: () => Promise<void>;
  /** How many messages can be taken now. */
  readonly room: () => number;
  /** Called for each message, never for more than there was room for. */
  readonly take: (delivered: Delivered) => void;
}

const expiresMs = 30_000;
const heartbeatMs = 1_500;
/** The server is silent for longer only if what was asked of it is lost. */
const silenceMaxMs = 3 * heartbeatMs;
const recoveryPauseMinMs = 200;
const recoveryPauseMaxMs = 5_000;
/** How long stopping waits for the server to say that nothing more is on its way. */
const drainTimeoutMs = 2_000;

/** The protocol: NATS ADR-37 (pull consumers). Messages are asked for when there is room, so none waits here while another process is idle. */
export class Pull {
  readonly #options: PullOptions;
  readonly #next: string;
  readonly #bell: Doorbell;
  readonly #stopping = new AbortController();
  #inbox: Subscription | undefined;
  /** Messages that were asked for and have not come. */
  #asked = 0;
  /** Monotonic. */
  #heardAtMs = 0;
  #trouble: string | undefined;
  #tending: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #forgetLink: () => void = () => {};

  constructor(options: PullOptions) {
    this.#options = options;
    this.#next = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`;
    this.#bell = new Doorbell(options.clock);
  }

  /** Throws where the consumer cannot be made. */
  async start(): Promise<void> {
    await this.#options.ensure();
    this.#forgetLink = this.#options.broker.link.onReconnect(() => this.#troubled('reconnected'));
    this.#attach();
    this.#tending = this.#tend();
  }

  /** There is room for more than before. */
  more(): void {
    if (this.#inbox === undefined || this.#stopping.signal.aborted) return;
    const room = this.#options.room();
    const missing = room - this.#asked;
    // While some are still to come, asking is put off until it is worth a request.
    if (missing <= 0 || (this.#asked > 0 && missing < room / 2)) return;
    this.#asked += missing;
    this.#heardAtMs = this.#options.clock.monotonicMs();
    const request = { batch: missing, expires: nanos(expiresMs), idle_heartbeat: nanos(heartbeatMs) };
    this.#options.broker.link.send(this.#next, JSON.stringify(request), this.#inbox.getSubject());
  }

  /** Asks for nothing more, at once; resolves when nothing more comes. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#forgetLink();
    const detached = this.#detach();
    await this.#tending;
    await detached;
  }

  #attach(): void {
    this.#asked = 0;
    const subject = createInbox();
    this.#inbox = this.#options.broker.link.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) this.#receive(message, subject);
        else if (this.#inbox?.getSubject() === subject) this.#troubled(error.message);
      },
    });
    this.more();
  }

  /** What is on its way was asked for: it is taken, for the server has counted it as delivered. Resolves when nothing more comes. */
  async #detach(): Promise<void> {
    const inbox = this.#inbox;
    if (inbox === undefined) return;
    this.#inbox = undefined;
    await within(
      this.#options.clock,
      drainTimeoutMs,
      inbox.drain().catch(() => {}),
    );
    inbox.unsubscribe();
  }

  #receive(message: Msg, inbox: string): void {
    this.#heardAtMs = this.#options.clock.monotonicMs();
    if (message.subject === inbox) {
      // What the server says of requests that are given up is of no interest.
      if (this.#inbox?.getSubject() === inbox) this.#status(message);
      return;
    }
    this.#asked -= 1;
    const delivered = deliveredOf(message);
    if (delivered !== undefined) this.#options.take(delivered);
    this.more();
  }

  #status({ headers }: Msg): void {
    switch (headers?.code) {
      case 100:
        break;
      case 404:
      case 408:
        // The request has expired with some of it left.
        this.#asked -= Number(headers.get('Nats-Pending-Messages')) || 0;
        this.more();
        break;
      default:
        // The consumer was deleted, the server stops, another leads: whatever it is, asking anew is right.
        this.#troubled(headers?.status ?? 'an empty status');
    }
  }

  #troubled(reason: string): void {
    this.#trouble = reason;
    this.#bell.ring();
  }

  async #tend(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopping.signal.aborted) {
      if (this.#asked > 0 && clock.monotonicMs() - this.#heardAtMs > silenceMaxMs) this.#trouble ??= 'the server is silent';
      if (this.#trouble !== undefined) await this.#recover(this.#trouble);
      else await this.#bell.wait(heartbeatMs, this.#stopping.signal);
    }
  }

  async #recover(reason: string): Promise<void> {
    const { broker, clock, random, logger, consumer, ensure } = this.#options;
    this.#trouble = undefined;
    logger?.debug({ consumer, reason }, 'events: a consumer is asked anew');
    await this.#detach();
    for (let pauseMs = recoveryPauseMinMs; !this.#stopping.signal.aborted; pauseMs = Math.min(2 * pauseMs, recoveryPauseMaxMs)) {
      // Not at once: the server says that a consumer is deleted before it has deleted its files, and with them those of one that
      // is made in between (seen with 2.15).
      await clock.sleep(pauseMs * (0.5 + random.float() / 2), this.#stopping.signal);
      try {
        if (!(await broker.link.whenUp(recoveryPauseMaxMs, this.#stopping.signal))) continue;
        await ensure();
        if (!this.#stopping.signal.aborted) this.#attach();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        logger?.warn({ consumer, err: error }, 'events: a consumer cannot be asked; trying again');
      }
    }
  }
}

/** Source: NATS ADR-15; the form with a domain has two tokens more. Undefined where the message is of no consumer. */
function deliveredOf(message: Msg): Delivered | undefined {
  const reply = message.reply ?? '';
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  const first = tokens.length === 9 ? 4 : 6;
  return { message, reply, deliveries: Number(tokens[first]), sequence: Number(tokens[first + 1]) };
}
