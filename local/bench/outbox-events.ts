// Events on their way from the outboxes of documents to NATS.
import type { Events } from '@burgage/events';
import { eventFromOutbox, outboxEvent } from '@burgage/events';
import { systemClock, systemRandom } from '@burgage/runtime';
import { createOutboxRelay, type DocumentType, type Store } from '@burgage/store';
import type { Figure } from './figures.ts';

interface Sender {
  readonly number: number;
}

const senders: DocumentType<Sender> = { name: 'bench_senders', schemaVersion: 1 };
const sendersAtOnce = 32;

/** `count` events in the outboxes of `documents` documents, all written before; from the first look of the relay to the last pull. */
export async function eventsThroughOutbox(
  engine: string,
  { store, events }: { readonly store: Store; readonly events: Events },
  { documents: documentCount, count }: { readonly documents: number; readonly count: number },
): Promise<Figure[]> {
  const documents = store.documents(senders);
  const stamps = { clock: systemClock, random: systemRandom };
  const perDocument = count / documentCount;
  for (let first = 0; first < documentCount; first += sendersAtOnce) {
    await Promise.all(
      Array.from({ length: Math.min(sendersAtOnce, documentCount - first) }, (_, index) =>
        documents.insert(
          `sender-${first + index}`,
          { number: first + index },
          Array.from({ length: perDocument }, (_each, item) =>
            outboxEvent(
              'burgage.provisioner.operation.progressed',
              `op_${first + index}`,
              { operationId: `op_${first + index}`, tenantId: `ten_${first + index}`, sequence: BigInt(item) },
              stamps,
            ),
          ),
        ),
      ),
    );
  }
  let published = 0;
  const relay = createOutboxRelay({
    documents: [documents],
    handlers: {
      event: async (items) => {
        for (const item of items) await events.publish(eventFromOutbox(item.payload));
        published += items.length;
      },
    },
    logger: { warn: (fields: unknown) => process.stderr.write(`${JSON.stringify(fields)}\n`) },
    clock: systemClock,
  });
  const startedMs = performance.now();
  await relay.flushAll();
  const tookMs = performance.now() - startedMs;
  if (published !== count) throw new Error(`${published} events were published, expected ${count}`);
  return [
    { what: `events from ${documentCount} outboxes on ${engine} to NATS`, value: (count / tookMs) * 1_000, unit: '/s', atLeast: 5_000 },
  ];
}
