// Tests of the connection: what a server that restarts, dies or stays away does to publishers and subscribers.
import { setImmediate } from 'node:timers/promises';
import { describeWithLab } from '@burgage/lab';
import { ManualClock } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { eventOf, eventually, quick } from '../conformance/engine.ts';
import { openNatsEvents } from './nats.ts';
import { useNatsBench } from './testing/bench.ts';
import { startProxy } from './testing/proxy.ts';

const made = 'burgage.test.thing.made';

describeWithLab('nats outages', ['nats'], (lab) => {
  const bench = useNatsBench();

  test.each(['stop', 'kill'] as const)(
    'a server that is ended with %s in mid-flight and started again loses nothing that was acknowledged',
    async (how) => {
      const server = lab.server('nats');
      const events = await bench.open({ url: server.url });
      const other = await bench.open({ url: server.url });
      const got = new Set<string>();
      await events.subscribe(quick('readers', async ({ id }) => void got.add(id), { ackTimeoutMs: 2_000 }));
      await other.subscribe(quick('readers', async ({ id }) => void got.add(id), { ackTimeoutMs: 2_000 }));

      const acknowledged: string[] = [];
      let publishing = true;
      const publisher = async (name: string): Promise<void> => {
        for (let count = 0; publishing; count += 1) {
          const id = `${name}-${count}`;
          await events.publish(eventOf(made, { id })).then(
            () => acknowledged.push(id),
            (error: unknown) => expect(error).toMatchObject({ code: 'unavailable' }),
          );
        }
      };
      const publishers = ['a', 'b', 'c', 'd'].map(publisher);
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(100));
      await server[how]();
      const before = acknowledged.length;
      await server.start();
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 100));
      publishing = false;
      await Promise.all(publishers);
      await eventually(() => expect(acknowledged.filter((id) => !got.has(id))).toEqual([]));
      expect(await events.deadLetters(10)).toEqual([]);
    },
  );

  test('without a server publishing is refused after at most five seconds, and goes on by itself afterwards', async () => {
    const server = lab.server('nats');
    const clock = new ManualClock();
    const events = await bench.open({ url: server.url, clock, logger: bench.logger });
    const got: string[] = [];
    await events.subscribe(quick('readers', async ({ id }) => void got.push(id)));
    await server.stop();
    await eventually(async () => expect(await bench.logged('warn')).toHaveLength(1));
    const refused = expect(events.publish(eventOf(made, { id: 'refused' }))).rejects.toMatchObject({ code: 'unavailable' });
    const silent = expect(events.ping()).rejects.toMatchObject({ code: 'unavailable' });
    await clock.advance(5_000);
    await refused;
    await silent;
    await server.start();
    await eventually(async () => expect(await bench.logged('info')).toHaveLength(1));
    await events.publish(eventOf(made, { id: 'kept' }));
    await eventually(async () => {
      // About as fast as the server's.
      await clock.advance(10);
      expect(got).toEqual(['kept']);
    });
    // Once for each change, however often it was tried.
    expect(await bench.logged('warn')).toEqual(['events: the connection to NATS is lost; trying again until it is back']);
    expect(await bench.logged('info')).toEqual(['events: connected to NATS again']);
  });

  test('what is published while the server restarts waits for it', async () => {
    const server = lab.server('nats');
    const events = await bench.open({ url: server.url });
    const stopped = server.stop();
    await eventually(async () => expect(await bench.logged('warn')).toHaveLength(1));
    const published = events.publish(eventOf(made));
    await stopped;
    await server.start();
    await published;
  });

  test('an event that is on its way while its consumer is asked anew comes at once', async () => {
    const { url } = lab.server('nats');
    const clock = new ManualClock();
    const events = await bench.open({ url, clock, logger: bench.logger });
    const other = await bench.open({ url });
    const got: string[] = [];
    // Lost, it would come again after two minutes.
    await events.subscribe(quick('readers', async ({ id }) => void got.push(id), { ackTimeoutMs: 120_000 }));
    const ids = Array.from({ length: 30 }, (_, index) => `way-${index}`);
    for (const id of ids) {
      const published = other.publish(eventOf(made, { id }));
      await setImmediate();
      // A process that stands still for longer than the server may be silent: what has arrived meanwhile is not read yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      await clock.advance(6_100);
      await published;
      await eventually(async () => {
        await clock.advance(10);
        expect(got).toContain(id);
      });
    }
    expect(got).toEqual(ids);
    expect(await bench.logged('debug')).toContain('events: a consumer is asked anew');
  });

  test('what was handled while the server was away is not delivered again', async () => {
    const server = lab.server('nats');
    const events = await bench.open({ url: server.url });
    const attempts: [string, number][] = [];
    const gate = Promise.withResolvers<void>();
    await events.subscribe(
      quick(
        'readers',
        async ({ id }, { attempt }) => {
          attempts.push([id, attempt]);
          if (id === 'slow') await gate.promise;
        },
        { ackTimeoutMs: 3_000 },
      ),
    );
    await events.publish(eventOf(made, { id: 'slow' }));
    await eventually(() => expect(attempts).toEqual([['slow', 1]]));
    await server.stop();
    await eventually(async () => expect(await bench.logged('warn')).toHaveLength(1));
    gate.resolve();
    await server.start();
    await eventually(async () => expect(await bench.logged('info')).toHaveLength(1));
    // Long after the server would have given it to another: 3 s and a second of grace.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await events.publish(eventOf(made, { id: 'last' }));
    await eventually(() => expect(attempts).toContainEqual(['last', 1]));
    expect(attempts).toEqual([
      ['slow', 1],
      ['last', 1],
    ]);
  });

  test('a connection that is cut without a word is noticed, and replaced as soon as there is a way again', async () => {
    const server = lab.server('nats');
    await using proxy = await startProxy(server);
    const behind = await bench.open({ url: proxy.url });
    const other = await bench.open({ url: server.url });
    const got = new Set<string>();
    await behind.subscribe(quick('readers', async ({ id }) => void got.add(id), { ackTimeoutMs: 2_000 }));
    proxy.cut();
    await expect(behind.publish(eventOf(made, { id: 'refused' }))).rejects.toMatchObject({ code: 'unavailable' });
    await other.publish(eventOf(made, { id: 'published meanwhile' }));
    await eventually(async () => expect(await bench.logged('warn')).toHaveLength(1));
    proxy.mend();
    await eventually(async () => expect(await bench.logged('info')).toHaveLength(1));
    await behind.publish(eventOf(made, { id: 'published afterwards' }));
    await eventually(() => expect([...got]).toEqual(expect.arrayContaining(['published meanwhile', 'published afterwards'])));
  });

  test('without a server closing ends, and so do subscriptions', async () => {
    const server = lab.server('nats');
    const events = await openNatsEvents({ url: server.url, namespace: bench.namespace, logger: bench.logger });
    await events.subscribe(quick('readers', async () => {}));
    await server.kill();
    await eventually(async () => expect(await bench.logged('warn')).toHaveLength(1));
    await events.close();
    await expect(events.publish(eventOf(made))).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
  });
});
