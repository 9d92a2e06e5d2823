// The NATS JetStream adapter of the events: any number of processes on any number of machines share one server or cluster.
import { type Clock, type Logger, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { checkConsumer, checkEvent, checkLimit, closedError, completeOptions, consumerNotFound } from '../checks.ts';
import type { DeadLetter, Event, Events, SubscribeOptions, Subscription } from '../port.ts';
import { parseAddress } from './address.ts';
import { Broker, type Parts } from './broker.ts';
import { consumerInfo, deleteConsumer } from './consumers.ts';
import { DeadLetters } from './dead-letters.ts';
import { createExhaustedWatch, type ExhaustedWatch } from './exhausted.ts';
import { layoutOf } from './layout.ts';
import { type NatsTls, openLink } from './link.ts';
import { headersOf } from './message.ts';
import { checkLimits, type StreamLimits } from './streams.ts';
import { NatsSubscription } from './subscription.ts';

export interface NatsEventsOptions extends StreamLimits {
  /** `nats://user:password@host:4222`, `nats://token@host` or `tls://…`; several of one cluster separated by commas. */
  readonly url: string;
  /** Instead of those in the address. */
  readonly user?: string;
  readonly password?: string;
  readonly tls?: NatsTls;
  /** How the server's list of connections names this process; default `burgage`. */
  readonly name?: string;
  /** Keeps what shares a server apart, such as two installations; default none. 1 to 32 lower-case letters, digits and hyphens. */
  readonly namespace?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/** What the headers of a dead letter may add to those of its event: one that could not be buried would come again and again. */
const deadLetterBytes = 8_192;

/**
 * Events on a NATS server from version 2.10 on with JetStream: durable when published as far as the server's disk is,
 * delivered at least once.
 *
 * @throws BurgageError `unavailable` (no server answers), `credentials_refused` (or rights are missing), `server_too_old`,
 * `config_invalid` (an option, or JetStream is not enabled).
 */
export async function openNatsEvents(options: NatsEventsOptions): Promise<Events> {
  const { clock = systemClock, random = systemRandom, logger, name = 'burgage', tls } = options;
  const { user, password } = options;
  const given = user === undefined ? {} : { user, password: password ?? '' };
  const address = { ...parseAddress(options.url), ...given };
  const layout = layoutOf(options.namespace);
  checkLimits(options);
  const link = await openLink({ address, name, tls, clock, random, logger });
  try {
    const broker = await Broker.open(link, layout, options, clock, logger);
    const events = new NatsEvents({ broker, deadLetters: new DeadLetters(broker, clock), clock, random, logger });
    await events.start();
    return events;
  } catch (error) {
    await link.close();
    throw error;
  }
}

class NatsEvents implements Events {
  readonly #parts: Parts;
  readonly #exhausted: ExhaustedWatch;
  readonly #subscriptions = new Set<NatsSubscription>();
  readonly #publishing = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#exhausted = createExhaustedWatch(parts);
  }

  start(): Promise<void> {
    return this.#exhausted.start();
  }

  async publish(event: Event): Promise<void> {
    checkEvent(event);
    const { broker } = this.#parts;
    const { layout } = broker;
    const subject = layout.eventSubject(event.subject);
    this.#checkOpen();
    const headers = headersOf(event);
    const publishing = broker.publish({
      stream: layout.eventsStream,
      subject,
      data: event.data,
      headers,
      messageId: headers.get('ce-id'),
      spareBytes: deadLetterBytes,
    });
    this.#publishing.add(publishing);
    try {
      await publishing;
    } finally {
      this.#publishing.delete(publishing);
    }
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const complete = completeOptions(options);
    this.#checkOpen();
    const subscription = new NatsSubscription(complete, this.#parts);
    this.#subscriptions.add(subscription);
    const stop = (): Promise<void> => subscription.stop().finally(() => this.#subscriptions.delete(subscription));
    try {
      await subscription.start();
    } catch (error) {
      await stop();
      throw error;
    }
    return { stop };
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    checkLimit(limit);
    return this.#parts.deadLetters.list(limit);
  }

  replay(deadLetterId: string): Promise<void> {
    return this.#parts.deadLetters.replay(deadLetterId);
  }

  discard(deadLetterId: string): Promise<void> {
    return this.#parts.deadLetters.discard(deadLetterId);
  }

  async removeConsumer(consumer: string): Promise<void> {
    checkConsumer(consumer);
    const { broker, deadLetters } = this.#parts;
    const { manager, layout } = broker;
    const known = await broker.attempt('look for a consumer', () => consumerInfo(manager, layout.eventsStream, consumer));
    if (known === undefined) throw consumerNotFound(consumer);
    await deadLetters.forget(consumer);
    await broker.attempt('remove a consumer', () => deleteConsumer(manager, layout.eventsStream, consumer));
  }

  async ping(): Promise<void> {
    const { broker } = this.#parts;
    await broker.attempt('answer', () => broker.manager.getAccountInfo());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#exhausted.stop(), ...[...this.#subscriptions].map((subscription) => subscription.stop())]);
    await Promise.allSettled(this.#publishing);
    await this.#parts.broker.link.close();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}
