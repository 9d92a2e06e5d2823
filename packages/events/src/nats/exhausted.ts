// Makes dead letters of the events that the server has given up: the advisories that say so are stored, so none is missed.
import type { Msg } from '@nats-io/transport-node';
import { lostReason } from '../running-handlers.ts';
import type { Parts } from './broker.ts';
import { ensureConsumer } from './consumers.ts';
import { eventOf } from './message.ts';
import { type Delivered, Pull } from './pull.ts';

/** Source: nats-server, JSConsumerDeliveryExceededAdvisory. */
interface Advisory {
  readonly consumer: string;
  readonly stream_seq: number;
  readonly deliveries: number;
}

/** Shared by all processes. */
const consumer = 'burial';
const concurrency = 8;
const ackWaitMs = 10_000;
const handledAnswer = new TextEncoder().encode('+ACK');

export interface ExhaustedWatch {
  start(): Promise<void>;
  /** Resolves when what was taken is through. */
  stop(): Promise<void>;
}

export function createExhaustedWatch(parts: Parts): ExhaustedWatch {
  const { broker, deadLetters, logger } = parts;
  const { manager, layout } = broker;
  const running = new Set<Promise<void>>();
  const wish = { name: consumer, filters: [layout.exhaustedSubjectAny], ackWaitMs, deliveriesMax: -1, sinceMs: 0 };
  const pull = new Pull({
    ...parts,
    stream: layout.exhaustedStream,
    consumer,
    async ensure() {
      await broker.attempt('make the consumer', () => ensureConsumer(manager, layout.exhaustedStream, wish, false, async () => 'all'));
    },
    room: () => concurrency - running.size,
    take(delivered) {
      const taking = settle(delivered).finally(() => {
        running.delete(taking);
        pull.more();
      });
      running.add(taking);
    },
  });

  async function settle({ message, reply }: Delivered): Promise<void> {
    try {
      const advisory = advisoryOf(message);
      if (advisory !== undefined) await broker.attempt('bury an event', () => bury(advisory));
      broker.answer(reply, handledAnswer);
    } catch (error) {
      logger?.warn({ err: error }, 'events: an event that the server has given up could not be made a dead letter; trying again');
    }
  }

  async function bury({ consumer, stream_seq: sequence, deliveries }: Advisory): Promise<void> {
    const stored = await manager.streams.getMessage(layout.eventsStream, { seq: sequence });
    const event = stored === null ? undefined : eventOf({ headers: stored.header, data: stored.data });
    if (event === undefined) return;
    // The last delivery was for burying, not for a handler.
    await deadLetters.bury({ consumer, event, sequence, attempts: Math.max(1, deliveries - 1), reason: lostReason });
    logger?.error({ consumer, subject: event.subject, eventId: event.id }, 'events: the server has given an event up; it is a dead letter');
  }

  return {
    start: () => pull.start(),
    async stop() {
      await pull.stop();
      await Promise.all(running);
      await broker.flush();
    },
  };
}

/** Undefined where somebody else published something else there. */
function advisoryOf(message: Msg): Advisory | undefined {
  try {
    const { consumer, stream_seq, deliveries } = message.json<Partial<Advisory>>();
    const usable = typeof consumer === 'string' && Number.isInteger(stream_seq) && Number.isInteger(deliveries);
    return usable ? ({ consumer, stream_seq, deliveries } as Advisory) : undefined;
  } catch {
    return undefined;
  }
}
