// Conformance: several processes on one engine, and what is left when one of them is killed.
import { expect, test } from 'vitest';
import { type ChildMessage, type EventsEngine, eventOf, eventually, quick, useBench } from './engine.ts';

const made = 'burgage.test.thing.made';

function publishedBy(messages: readonly ChildMessage[]): string[] {
  return messages.flatMap((message) => ('published' in message ? [message.published] : []));
}

function handledBy(messages: readonly ChildMessage[]): string[] {
  return messages.flatMap((message) => ('handling' in message ? [message.handling] : []));
}

export function processConformance(engine: EventsEngine): void {
  const bench = useBench(engine);

  test('two processes publish at once and nothing is lost', async () => {
    const events = await bench.open();
    const got = new Set<string>();
    await events.subscribe(quick('readers', async (event) => void got.add(event.id)));
    const publishers = ['left', 'right'].map((prefix) => bench.spawn({ kind: 'publish', prefix, count: 100 }));
    await eventually(() => {
      for (const { messages } of publishers) expect(messages.at(-1)).toEqual({ done: true });
    });
    const published = publishers.flatMap(({ messages }) => publishedBy(messages));
    expect(published).toHaveLength(200);
    await eventually(() => expect([...got].toSorted()).toEqual(published.toSorted()));
  });

  test('what a publisher was told is published survives its being killed', async () => {
    const events = await bench.open();
    const subscription = await events.subscribe(quick('readers', async () => {}));
    await subscription.stop();
    const { messages, kill } = bench.spawn({ kind: 'publish', prefix: 'killed', count: 100_000 });
    await eventually(() => expect(publishedBy(messages).length).toBeGreaterThan(50));
    await kill();
    const told = publishedBy(messages);
    const got = new Set<string>();
    await events.subscribe(quick('readers', async (event) => void got.add(event.id)));
    await eventually(() => expect(told.filter((id) => !got.has(id))).toEqual([]));
  });

  test('the events of a process killed in the middle of its handlers are delivered to another', async () => {
    const events = await bench.open();
    const registration = await events.subscribe(quick('workers', async () => {}));
    await registration.stop();
    const { messages, kill } = bench.spawn({ kind: 'hang', consumer: 'workers', ackTimeoutMs: 500 });
    const ids = ['one', 'two', 'three'];
    for (const id of ids) await events.publish(eventOf(made, { id }));
    await eventually(() => expect(new Set(handledBy(messages))).toEqual(new Set(ids)));
    await kill();
    const got = new Map<string, number>();
    await events.subscribe(quick('workers', async (event, { attempt }) => void got.set(event.id, attempt), { ackTimeoutMs: 500 }));
    await eventually(() => expect([...got.keys()].toSorted()).toEqual(ids.toSorted()));
    for (const attempt of got.values()) expect(attempt).toBeGreaterThan(1);
  });

  test('an event whose process is killed in its last attempt becomes a dead letter, and no handler gets it again', async () => {
    const events = await bench.open();
    const options = { attemptsMax: 1, ackTimeoutMs: 300 };
    const registration = await events.subscribe(quick('workers', async () => {}, options));
    await registration.stop();
    const { messages, kill } = bench.spawn({ kind: 'hang', consumer: 'workers', ...options });
    const event = eventOf(made);
    await events.publish(event);
    await eventually(() => expect(handledBy(messages)).toEqual([event.id]));
    await kill();
    const got: string[] = [];
    await events.subscribe(quick('workers', async ({ id }) => void got.push(id), options));
    await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ consumer: 'workers', event, attempts: 1 }]));
    await events.publish(eventOf(made, { id: 'behind' }));
    await eventually(() => expect(got).toEqual(['behind']));
  });
}
