// One subscription of this process to a durable consumer: deliveries become handlers, how they end goes back to the server.
import { nanos } from '@nats-io/transport-node';
import type { Event, SubscribeOptions, Subscription } from '../port.ts';
import { type Claim, logFailure, lostReason, RunningHandlers, type Settlement } from '../running-handlers.ts';
import type { Parts } from './broker.ts';
import { type Beginning, type ConsumerWish, ensureConsumer } from './consumers.ts';
import { eventOf } from './message.ts';
import { type Delivered, Pull } from './pull.ts';
import { infoOf, isRemade } from './streams.ts';

interface NatsClaim extends Claim {
  readonly delivered: Delivered;
}

/** The server waits longer than a handler may take, so that a process that lives answers for its own late handlers. */
const ackGraceMs = 1_000;
/** The delay before the server delivers an event again whose dead letter could not be stored. */
const burialRetryMs = 2_000;

const text = new TextEncoder();
const handledAnswer = text.encode('+ACK');
const deadAnswer = text.encode('+TERM');

export class NatsSubscription implements Subscription {
  readonly #options: Required<SubscribeOptions>;
  readonly #parts: Parts;
  readonly #handlers: RunningHandlers<NatsClaim>;
  readonly #pull: Pull;
  readonly #burials = new Set<Promise<void>>();
  readonly #ended = new AbortController();
  /** What was asked for when the consumer was there: where it is missing later, it begins with all that there is. */
  #known: ConsumerWish | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: Required<SubscribeOptions>, parts: Parts) {
    const { broker, clock, random } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#handlers = new RunningHandlers(options, (settlement) => this.#settle(settlement), clock, random);
    this.#pull = new Pull({
      ...parts,
      stream: broker.layout.eventsStream,
      consumer: options.consumer,
      ensure: () => this.#ensureConsumer(),
      room: () => this.#handlers.freeSlots,
      take: (delivered) => this.#take(delivered),
    });
  }

  /** Resolves when the consumer is there. */
  async start(): Promise<void> {
    await this.#pull.start();
    void this.#expire();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#pull.stop();
    await this.#handlers.stop();
    await Promise.all(this.#burials);
    this.#ended.abort();
    await this.#parts.broker.flush();
  }

  async #ensureConsumer(): Promise<void> {
    const { broker, clock, logger } = this.#parts;
    const { manager, layout } = broker;
    const { consumer, subjects, ackTimeoutMs, attemptsMax } = this.#options;
    const wish = this.#known ?? {
      name: consumer,
      filters: layout.consumerFilters(consumer, subjects),
      ackWaitMs: ackTimeoutMs + ackGraceMs,
      // One more than handlers get: whoever receives that one buries the event of a process that died in the last attempt.
      deliveriesMax: attemptsMax + 1,
      sinceMs: clock.now().getTime(),
    };
    const fresh = this.#known === undefined;
    const begin = async (): Promise<Beginning> => {
      const stream = await infoOf(manager, layout.eventsStream);
      if (fresh && (stream === undefined || !isRemade(stream))) return 'now';
      logger?.warn({ consumer }, 'events: a consumer or its stream was lost and is made again; it begins with all events that there are');
      return 'all';
    };
    this.#known = await broker.attempt('make the consumer', () => ensureConsumer(manager, layout.eventsStream, wish, fresh, begin));
  }

  #take(delivered: Delivered): void {
    const { message, sequence, deliveries } = delivered;
    const event = eventOf({ headers: message.headers, data: message.data });
    const { consumer, attemptsMax } = this.#options;
    if (event === undefined) {
      const strange = strangeEvent(this.#parts.broker.layout.eventsStream, delivered);
      this.#parts.logger?.error(
        { consumer, subject: message.subject, sequence },
        'events: a message that is no event; it is a dead letter',
      );
      this.#bury(
        { event: strange, attempt: deliveries, delivered },
        deliveries,
        'headers: got a message without ce-id and ce-type, expected an event',
      );
    } else if (deliveries > attemptsMax) {
      this.#parts.logger?.error(
        { consumer, subject: event.subject, eventId: event.id },
        `events: ${lostReason}; the event is a dead letter`,
      );
      this.#bury({ event, attempt: deliveries, delivered }, attemptsMax, lostReason);
    } else this.#handlers.start({ event, attempt: deliveries, delivered });
  }

  #settle(settlement: Settlement<NatsClaim>): void {
    logFailure(this.#parts.logger, settlement);
    const { claim, outcome } = settlement;
    switch (outcome.kind) {
      case 'handled':
        this.#answer(claim, handledAnswer);
        break;
      case 'retry':
        this.#answer(claim, againAnswer(outcome.dueInMs));
        break;
      case 'dead':
        this.#bury(claim, claim.attempt, outcome.reason);
        break;
      default:
        outcome satisfies never;
    }
    this.#pull.more();
  }

  #bury(claim: NatsClaim, attempts: number, reason: string): void {
    const { deadLetters, logger } = this.#parts;
    const { consumer } = this.#options;
    const { event, delivered } = claim;
    const burial = deadLetters.bury({ consumer, event, sequence: delivered.sequence, attempts, reason }).then(
      () => this.#answer(claim, deadAnswer),
      (error: unknown) => {
        logger?.warn(
          { consumer, eventId: event.id, err: error },
          'events: a dead letter could not be stored; the event is delivered again',
        );
        this.#answer(claim, againAnswer(burialRetryMs));
      },
    );
    this.#burials.add(burial);
    void burial.finally(() => this.#burials.delete(burial));
  }

  #answer({ delivered }: NatsClaim, answer: Uint8Array): void {
    this.#parts.broker.answer(delivered.reply, answer);
  }

  /** Gives up handlers that take too long. One that starts while this sleeps is due later than it wakes. */
  async #expire(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#ended.signal.aborted) {
      const dueInMs = this.#handlers.nextDeadlineMs - clock.monotonicMs();
      await clock.sleep(Math.min(dueInMs, this.#options.ackTimeoutMs), this.#ended.signal);
      this.#handlers.expire();
    }
  }
}

function againAnswer(dueInMs: number): Uint8Array {
  // Without a delay the server does not wait for its timer.
  if (dueInMs === 0) return text.encode('-NAK');
  return text.encode(`-NAK ${JSON.stringify({ delay: nanos(dueInMs) })}`);
}

/** What somebody else published, in the shape of an event, so that a dead letter can show it. */
function strangeEvent(stream: string, { message, sequence }: Delivered): Event {
  return { id: `${stream}-${sequence}`, subject: message.subject, source: '', entity: '', time: '', data: message.data };
}
