// Bench of the events on either engine: publishing, delivering, and the time between the two.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Events, openEmbeddedEvents } from '../src/index.ts';
import { openNatsEvents } from '../src/nats/nats.ts';
import { removeNamespace } from '../src/nats/testing/server.ts';

export interface EventsBench {
  /** Durable publishes, 64 waiting at once. */
  readonly publishesPerSecond: number;
  /** Events handled and acknowledged by one consumer, 8 handlers at once, from a backlog. */
  readonly deliveriesPerSecond: number;
  /** From `publish` called to the handler called, one event at a time, in one process. */
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
}

const backlog = 20_000;
const publishers = 64;
const latencySamples = 1_000;

/** The embedded engine, in a temporary folder of its own. Takes a few seconds. */
export async function runEventsBench(): Promise<EventsBench> {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-events-bench-'));
  try {
    return await bench(await openEmbeddedEvents({ file: join(folder, 'events.sqlite') }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The NATS server at `url`, in a namespace of its own that is removed again. Takes some seconds. */
export async function runNatsEventsBench(url: string): Promise<EventsBench> {
  const namespace = `bench-${process.pid}`;
  try {
    return await bench(await openNatsEvents({ url, namespace }));
  } finally {
    await removeNamespace(url, namespace);
  }
}

async function bench(events: Events): Promise<EventsBench> {
  try {
    const registration = await events.subscribe({ consumer: 'bench', subjects: ['bench.>'], handler: async () => {} });
    await registration.stop();
    const publishesPerSecond = await benchPublish(events);
    const deliveriesPerSecond = await benchDeliver(events);
    const latenciesMs = await benchLatency(events);
    const at = (share: number): number => latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? Number.NaN;
    return { publishesPerSecond, deliveriesPerSecond, latencyP50Ms: at(0.5), latencyP99Ms: at(0.99) };
  } finally {
    await events.close();
  }
}

async function benchPublish(events: Events): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const publisher = async (): Promise<void> => {
    while (next < backlog) await publish(events, `backlog-${next++}`);
  };
  await Promise.all(Array.from({ length: publishers }, publisher));
  return perSecond(backlog, startMs);
}

async function benchDeliver(events: Events): Promise<number> {
  const all = Promise.withResolvers<void>();
  let handled = 0;
  const startMs = performance.now();
  const subscription = await events.subscribe({
    consumer: 'bench',
    subjects: ['bench.>'],
    handler: async () => {
      handled += 1;
      if (handled === backlog) all.resolve();
    },
  });
  await all.promise;
  await subscription.stop();
  return perSecond(backlog, startMs);
}

async function benchLatency(events: Events): Promise<readonly number[]> {
  let arrived: () => void = () => {};
  const subscription = await events.subscribe({ consumer: 'bench', subjects: ['bench.>'], handler: async () => arrived() });
  const latenciesMs: number[] = [];
  for (let sample = 0; sample < latencySamples; sample += 1) {
    const startMs = performance.now();
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await Promise.all([publish(events, `latency-${sample}`), arrival]);
    latenciesMs.push(performance.now() - startMs);
  }
  await subscription.stop();
  return latenciesMs.toSorted((a, b) => a - b);
}

function publish(events: Events, id: string): Promise<void> {
  return events.publish({
    id,
    subject: 'bench.thing.made',
    source: 'bench',
    entity: 'ten_1',
    time: '2026-01-01T00:00:00.000Z',
    data: new Uint8Array(200),
  });
}

function perSecond(count: number, startMs: number): number {
  return Math.round((count / (performance.now() - startMs)) * 1_000);
}
