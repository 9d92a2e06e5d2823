// The durable consumers: made where they are missing, brought to what the newest subscription asks for.
import { isDeepStrictEqual } from 'node:util';
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  type ConsumerUpdateConfig,
  DeliverPolicy,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { isConsumerNotFound } from './faults.ts';

export interface ConsumerWish {
  readonly name: string;
  /** On the wire, none part of another. */
  readonly filters: readonly string[];
  /** The server gives an event to another when nothing was heard of it for so long. */
  readonly ackWaitMs: number;
  /** The server gives an event up after so many deliveries, and says so in an advisory; -1 for never. */
  readonly deliveriesMax: number;
  /** Milliseconds since 1970, when it was asked for first: the newest wish holds. */
  readonly sinceMs: number;
}

/** Where a consumer that is made begins: with what is published from now on, or with all that is in the stream. */
export type Beginning = 'now' | 'all';

/** Events that a consumer may have in flight or waiting for another try; with that many it gets no new ones. */
const pendingMax = 1_000;

/** On a consumer: since when it is asked for as it is. */
const sinceMark = 'burgage-since';

/**
 * `fresh` wishes hold whatever the clocks say; one that was made before gives way to a newer one. `begin` is asked only
 * where the consumer is missing. Answers with the wish as it holds from now on. Throws what the server says, such as that
 * the stream is missing, or that another process was faster: to be tried again.
 */
export async function ensureConsumer(
  manager: JetStreamManager,
  stream: string,
  wish: ConsumerWish,
  fresh: boolean,
  begin: () => Promise<Beginning>,
): Promise<ConsumerWish> {
  const info = await consumerInfo(manager, stream, wish.name);
  if (info === undefined) {
    await manager.consumers.add(stream, newConfig(wish, await begin()));
    return wish;
  }
  const since = Number(info.config.metadata?.[sinceMark] ?? 0);
  const newest = fresh ? { ...wish, sinceMs: Math.max(wish.sinceMs, since + 1) } : wish;
  if (newest.sinceMs >= since) await update(manager, stream, info.config, newest);
  return newest;
}

/** Undefined where there is no such consumer; throws where there is no stream. */
export async function consumerInfo(manager: JetStreamManager, stream: string, name: string): Promise<ConsumerInfo | undefined> {
  try {
    return await manager.consumers.info(stream, name);
  } catch (error) {
    if (isConsumerNotFound(error)) return undefined;
    throw error;
  }
}

/** One that is gone is no reason to fail. */
export async function deleteConsumer(manager: JetStreamManager, stream: string, name: string): Promise<void> {
  try {
    await manager.consumers.delete(stream, name);
  } catch (error) {
    if (!isConsumerNotFound(error)) throw error;
  }
}

function newConfig(wish: ConsumerWish, beginning: Beginning): Partial<ConsumerConfig> {
  return {
    durable_name: wish.name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: beginning === 'now' ? DeliverPolicy.New : DeliverPolicy.All,
    ...changeable(wish),
  };
}

async function update(manager: JetStreamManager, stream: string, config: ConsumerConfig, wish: ConsumerWish): Promise<void> {
  // Never lowered: the server would give up what it has delivered more often than that. Subscriptions count for themselves.
  const deliveriesMax = wish.deliveriesMax < 0 ? -1 : Math.max(config.max_deliver ?? 0, wish.deliveriesMax);
  const desired = changeable({ ...wish, deliveriesMax });
  // The server adds marks of its own.
  const found = { ...config, metadata: { [sinceMark]: config.metadata?.[sinceMark] } };
  if (!isDeepStrictEqual({ ...found, ...desired }, found)) await manager.consumers.update(stream, wish.name, desired);
}

function changeable({ filters, ackWaitMs, deliveriesMax, sinceMs }: ConsumerWish) {
  return {
    filter_subjects: [...filters],
    ack_wait: nanos(ackWaitMs),
    max_deliver: deliveriesMax,
    max_ack_pending: pendingMax,
    metadata: { [sinceMark]: String(sinceMs) },
  } satisfies Partial<ConsumerUpdateConfig>;
}
