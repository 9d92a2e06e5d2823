// Tests of streams and consumers that somebody deletes: what follows is late, never lost.
import { BurgageError } from '@burgage/contracts';
import { describeWithLab } from '@burgage/lab';
import type { ConsumerInfo } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { eventOf, eventually, quick } from '../conformance/engine.ts';
import type { Delivery, Event } from '../port.ts';
import { useNatsBench } from './testing/bench.ts';
import { backDoor } from './testing/server.ts';

const made = 'burgage.test.thing.made';

describeWithLab('nats losses', ['nats'], (lab) => {
  const bench = useNatsBench();

  test('the stream deleted in mid-flight is made again, and everything published from then on is delivered', async () => {
    const { url } = lab.server('nats');
    const [publisher, subscriber, other] = await Promise.all([bench.open({ url }), bench.open({ url }), bench.open({ url })]);
    const got: Record<'left' | 'right', Set<string>> = { left: new Set(), right: new Set() };
    await subscriber.subscribe(quick('left', async ({ id }) => void got.left.add(id)));
    await other.subscribe(quick('left', async ({ id }) => void got.left.add(id)));
    await other.subscribe(quick('right', async ({ id }) => void got.right.add(id)));
    await publisher.publish(eventOf(made, { id: 'before' }));
    await eventually(() => expect([...got.left, ...got.right]).toEqual(['before', 'before']));

    await using door = await backDoor(url, bench.namespace);
    const published: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      await door.manager.streams.delete(door.layout.eventsStream);
      const ids = Array.from({ length: 20 }, (_, index) => `after-${round}-${index}`);
      await Promise.all(ids.map((id) => publisher.publish(eventOf(made, { id }))));
      published.push(...ids);
      await eventually(() => {
        expect(published.filter((id) => !got.left.has(id))).toEqual([]);
        expect(published.filter((id) => !got.right.has(id))).toEqual([]);
      });
    }
    expect(await bench.logged('error')).toContain('events: the stream was lost and is made again');
  });

  test('a consumer whose process was away when the stream was deleted gets what was published since', async () => {
    const { url } = lab.server('nats');
    const before = await bench.open({ url });
    await (await before.subscribe(quick('readers', async () => {}))).stop();
    await before.close();
    await using door = await backDoor(url, bench.namespace);
    await door.manager.streams.delete(door.layout.eventsStream);
    const publisher = await bench.open({ url });
    await publisher.publish(eventOf(made, { id: 'missed by nobody' }));

    const got: string[] = [];
    const handler = async ({ id }: Event): Promise<void> => void got.push(id);
    await (await bench.open({ url })).subscribe(quick('readers', handler));
    await eventually(() => expect(got).toEqual(['missed by nobody']));
  });

  test('a consumer deleted in mid-flight is made again and begins with all that there is', async () => {
    const { url } = lab.server('nats');
    const [events, other] = await Promise.all([bench.open({ url }), bench.open({ url })]);
    const got: string[] = [];
    await events.subscribe(quick('readers', async ({ id }) => void got.push(id)));
    await other.subscribe(quick('readers', async ({ id }) => void got.push(id)));
    await events.publish(eventOf(made, { id: 'handled' }));
    await eventually(() => expect(got).toEqual(['handled']));
    await using door = await backDoor(url, bench.namespace);
    await door.manager.consumers.delete(door.layout.eventsStream, 'readers');
    await events.publish(eventOf(made, { id: 'between' }));
    await eventually(() => expect(got.toSorted()).toEqual(['between', 'handled', 'handled']));
    await events.publish(eventOf(made, { id: 'after' }));
    await eventually(() => expect(got).toContain('after'));
  });

  test('the stream of the dead letters deleted in mid-flight is made again when the next one is buried', async () => {
    const { url } = lab.server('nats');
    const events = await bench.open({ url });
    await events.subscribe(
      quick(
        'readers',
        async () => {
          throw new Error('broken');
        },
        { attemptsMax: 1 },
      ),
    );
    await using door = await backDoor(url, bench.namespace);
    await door.manager.streams.delete(door.layout.deadLettersStream);
    await events.publish(eventOf(made, { id: 'poison' }));
    await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ event: { id: 'poison' }, reason: 'broken' }]));
  });

  test.each(['handled', 'dead'] as const)(
    'an event published after the stream was lost is tried until it is handled, though one from before is %s only then',
    async (end) => {
      const { url } = lab.server('nats');
      const [events, publisher] = [await bench.open({ url }), await bench.open({ url })];
      const gates = { old: Promise.withResolvers<void>(), new: Promise.withResolvers<void>() };
      const ended: string[] = [];
      const begun: string[] = [];
      const handler = async ({ id }: Event, { attempt }: Delivery): Promise<void> => {
        begun.push(`${id} ${attempt}`);
        if (attempt === 1) await gates[id as 'old' | 'new'].promise;
        if (id === 'new' && attempt === 1) throw new Error('fails once');
        ended.push(id);
        if (id === 'old' && end === 'dead') throw new BurgageError('event_unknown', { message: 'unknown' });
      };
      await events.subscribe(quick('readers', handler));
      await publisher.publish(eventOf(made, { id: 'old' }));
      await eventually(() => expect(begun).toEqual(['old 1']));
      await using door = await backDoor(url, bench.namespace);
      await door.manager.streams.delete(door.layout.eventsStream);
      await publisher.publish(eventOf(made, { id: 'new' }));
      await eventually(() => expect(begun).toEqual(['old 1', 'new 1']));

      // What the server is told of the first message of the lost stream, it hears while the first of the new one is in its handler.
      gates.old.resolve();
      await eventually(() => expect(ended).toEqual(['old']));
      await eventually(async () => expect(await events.deadLetters(10)).toHaveLength(end === 'dead' ? 1 : 0));
      await events.ping();
      gates.new.resolve();
      await eventually(() => expect(ended).toEqual(['old', 'new']));
      expect(begun).toEqual(['old 1', 'new 1', 'new 2']);
    },
  );

  test('a dead letter replayed soon after the stream of the dead letters was lost is delivered', async () => {
    const { url } = lab.server('nats');
    const events = await bench.open({ url });
    await using door = await backDoor(url, bench.namespace);
    let broken = true;
    const got: string[] = [];
    const handler = async ({ id }: Event): Promise<void> => {
      if (broken) throw new Error('broken');
      got.push(id);
    };
    await events.subscribe(quick('readers', handler, { attemptsMax: 1 }));
    for (const id of ['one', 'two']) {
      broken = true;
      await events.publish(eventOf(made, { id }));
      await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ event: { id } }]));
      broken = false;
      for (const letter of await events.deadLetters(10)) await events.replay(letter.id);
      await eventually(() => expect(got).toContain(id));
      await door.manager.streams.delete(door.layout.deadLettersStream);
    }
    expect(got).toEqual(['one', 'two']);
  });

  test('a subscription that asks for fewer attempts makes dead letters of what was tried more often, and loses none', async () => {
    const { url } = lab.server('nats');
    const events = await bench.open({ url });
    const fail = async (): Promise<never> => {
      throw new Error('broken');
    };
    let attempts = 0;
    const many = await events.subscribe(
      quick(
        'readers',
        async () => {
          attempts += 1;
          throw new Error('broken');
        },
        { attemptsMax: 100, backoffMs: 1, backoffMaxMs: 1 },
      ),
    );
    await events.publish(eventOf(made, { id: 'tried' }));
    await eventually(() => expect(attempts).toBeGreaterThan(5));
    await many.stop();
    await events.subscribe(quick('readers', fail, { attemptsMax: 3 }));
    await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ event: { id: 'tried' } }]));
  });

  test('a process with an older subscription that finds the consumer again leaves it as the newer one asked for it', async () => {
    const { url } = lab.server('nats');
    const [older, newer] = await Promise.all([bench.open({ url }), bench.open({ url })]);
    await using door = await backDoor(url, bench.namespace);
    const got: string[] = [];
    const handler = async ({ subject }: Event): Promise<void> => void got.push(subject);
    await older.subscribe(quick('readers', handler, { subjects: ['burgage.a.>'] }));
    await newer.subscribe(quick('readers', handler, { subjects: ['burgage.b.>'] }));
    const info = (): Promise<ConsumerInfo> => door.manager.consumers.info(door.layout.eventsStream, 'readers');
    const asked = (await info()).config.filter_subjects;
    expect(asked).toContain(door.layout.eventSubject('burgage.b.>'));
    // Whichever of the two makes it again first, the newer wish is what stays.
    await door.manager.consumers.delete(door.layout.eventsStream, 'readers');
    await eventually(async () => {
      const { config, num_waiting: waiting } = await info();
      expect(config.filter_subjects).toEqual(asked);
      expect(waiting).toBe(2);
    });
    expect((await info()).config.filter_subjects).toEqual(asked);
    await newer.publish(eventOf('burgage.a.thing.made'));
    await newer.publish(eventOf('burgage.b.thing.made'));
    await eventually(() => expect(got).toEqual(['burgage.b.thing.made']));
  });
});
