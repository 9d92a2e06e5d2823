// Tests of what the server gives up: its advisories become dead letters, also those that nobody heard.
import { describeWithLab } from '@burgage/lab';
import { expect, test } from 'vitest';
import { eventOf, eventually, quick } from '../conformance/engine.ts';
import { useNatsBench } from './testing/bench.ts';
import { backDoor } from './testing/server.ts';

const made = 'burgage.test.thing.made';
const options = { attemptsMax: 1, ackTimeoutMs: 100 };

describeWithLab('nats exhausted deliveries', ['nats'], (lab) => {
  const bench = useNatsBench();

  test('an event that was delivered as often as it may is a dead letter, even if nobody was there when the server gave it up', async () => {
    const { url } = lab.server('nats');
    const before = await bench.open({ url });
    await (await before.subscribe(quick('readers', async () => {}, options))).stop();
    const events = [eventOf(made), eventOf(made), eventOf(made)];
    for (const event of events) await before.publish(event);
    await before.close();

    // A process that dies with the event in its handler, and one that dies while it buries it.
    await using door = await backDoor(url, bench.namespace);
    const { eventsStream, exhaustedStream } = door.layout;
    await door.exhaust('readers', events.length);
    expect(await door.manager.consumers.info(eventsStream, 'readers')).toMatchObject({ num_ack_pending: 0, num_pending: 0 });

    // Several that start at once share them.
    const after = await Promise.all([bench.open({ url }), bench.open({ url }), bench.open({ url })]);
    const [first] = after;
    await eventually(async () => expect(await first?.deadLetters(10)).toHaveLength(3));
    const letters = (await first?.deadLetters(10)) ?? [];
    for (const event of events) {
      expect(letters).toContainEqual(
        expect.objectContaining({ consumer: 'readers', event, attempts: 1, reason: expect.stringContaining('its process ended') }),
      );
    }
    await eventually(async () => {
      expect(await door.manager.consumers.info(exhaustedStream, 'burial')).toMatchObject({ num_ack_pending: 0, num_pending: 0 });
    });
    expect(await first?.deadLetters(10)).toHaveLength(3);

    const got: string[] = [];
    await first?.subscribe(quick('readers', async ({ id }) => void got.push(id), options));
    for (const { id } of letters) await first?.replay(id);
    await eventually(() => expect(got.toSorted()).toEqual(events.map(({ id }) => id).toSorted()));
  });

  test('an advisory about a stream that was lost since buries nothing of the new one', async () => {
    const { url } = lab.server('nats');
    const before = await bench.open({ url });
    await (await before.subscribe(quick('readers', async () => {}, options))).stop();
    await before.publish(eventOf(made, { id: 'lost' }));
    await before.close();
    await using door = await backDoor(url, bench.namespace);
    const { eventsStream, exhaustedStream } = door.layout;
    await door.exhaust('readers', 1);
    await door.manager.streams.delete(eventsStream);

    const after = await bench.open({ url });
    await after.publish(eventOf(made, { id: 'new' }));
    await eventually(async () => {
      expect(await door.manager.consumers.info(exhaustedStream, 'burial')).toMatchObject({ num_ack_pending: 0, num_pending: 0 });
    });
    expect(await after.deadLetters(10)).toEqual([]);
  });

  test('something else among the advisories stops nothing', async () => {
    const { url } = lab.server('nats');
    const events = await bench.open({ url });
    await using door = await backDoor(url, bench.namespace);
    const { exhaustedStream, exhaustedSubjectAny } = door.layout;
    for (const text of ['not JSON', '{}', '{"consumer":1}', '{"consumer":"a","stream_seq":1,"deliveries":1}']) {
      door.connection.publish(exhaustedSubjectAny.replace('>', 'readers'), text);
    }
    await eventually(async () => {
      expect(await door.manager.streams.info(exhaustedStream)).toMatchObject({ state: { messages: 4 } });
      expect(await door.manager.consumers.info(exhaustedStream, 'burial')).toMatchObject({ num_ack_pending: 0, num_pending: 0 });
    });
    await (await events.subscribe(quick('readers', async () => {}, options))).stop();
    await events.publish(eventOf(made));
    await door.connection.flush();
    await door.exhaust('readers', 5);
    await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(1));
  });
});
