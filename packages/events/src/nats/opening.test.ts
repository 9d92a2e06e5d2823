// Tests of opening: servers that are not there, too old, closed to us or without JetStream; streams that many make at once.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describeWithLab } from '@burgage/lab';
import { systemClock } from '@burgage/runtime';
import { describe, expect, test } from 'vitest';
import { eventOf, eventually, quick } from '../conformance/engine.ts';
import { openNatsEvents } from './nats.ts';
import { useNatsBench } from './testing/bench.ts';
import { backDoor } from './testing/server.ts';

const made = 'burgage.test.thing.made';

/** Something that greets like a NATS server of that version, and answers pings. */
async function fakeServer(version: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const info = { server_id: 'x', version, proto: 1, headers: true, max_payload: 1_000_000, jetstream: true, host: '127.0.0.1', port: 0 };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (data) => data.toString().includes('PING') && socket.write('PONG\r\n'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describe('without a server', () => {
  test('an address where nobody answers is unavailable', async () => {
    const closed = await fakeServer('2.15.0');
    await closed[Symbol.asyncDispose]();
    const { port } = new URL(closed.url);
    await expect(openNatsEvents({ url: closed.url })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`No NATS server answers at 127.0.0.1:${port}`),
    });
  });

  test.each(['2.9.25', '1.4.1', '0.0.0'])('a server of version %s is too old', async (version) => {
    await using server = await fakeServer(version);
    await expect(openNatsEvents({ url: server.url })).rejects.toMatchObject({
      code: 'server_too_old',
      metadata: { version, versionMin: '2.10.0' },
    });
  });

  test.each([
    [{ url: 'http://host' }, 'url'],
    [{ namespace: 'Not One' }, 'namespace'],
    [{ replicas: 0 }, 'replicas'],
    [{ retentionMs: 5 }, 'retentionMs'],
    [{ duplicateWindowMs: 8 * 24 * 60 * 60 * 1_000 }, 'duplicateWindowMs'],
    [{ bytesMax: 1 }, 'bytesMax'],
  ])('the options %j are refused by name', async (options, field) => {
    await expect(openNatsEvents({ url: 'nats://127.0.0.1:1', ...options })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(new RegExp(`^${field}: `)),
    });
  });
});

describeWithLab('nats with a password', [{ server: 'nats', options: { user: 'me', password: 'c0rrect' } }], (lab) => {
  const bench = useNatsBench();

  test('the right credentials are taken from the address or from the options', async () => {
    const { url, host, port } = lab.server('nats');
    await (await bench.open({ url: `nats://me:c0rrect@${host}:${port}` })).ping();
    await (await bench.open({ url, user: 'me', password: 'c0rrect' })).ping();
  });

  test.each(['nats://me:hunter2@', 'nats://hunter2@', 'nats://'])('wrong ones (%s…) are refused, and nothing says them', async (prefix) => {
    const { host, port } = lab.server('nats');
    const refusal = await bench.open({ url: `${prefix}${host}:${port}` }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'credentials_refused', message: `The NATS server at ${host}:${port} refuses the credentials.` });
    bench.logger.error({ err: refusal }, 'refused');
    expect(await bench.log()).toContain('refuses the credentials');
    expect(await bench.log()).not.toContain('hunter2');
  });
});

describeWithLab('nats without JetStream', [{ server: 'nats', options: { jetstream: false } }], (lab) => {
  test('is refused with a message that says so', async () => {
    await expect(openNatsEvents({ url: lab.server('nats').url })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('JetStream is not enabled'),
    });
  });
});

const accounts =
  'accounts { with { jetstream: enabled, users: [{ user: a, password: a }] }, without { users: [{ user: b, password: b }] } }';
describeWithLab('nats with an account without JetStream', [{ server: 'nats', options: { config: accounts } }], (lab) => {
  test('is refused with a message that says so', async () => {
    await expect(openNatsEvents({ url: lab.server('nats').url, user: 'b', password: 'b' })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('not for this account'),
    });
  });
});

describeWithLab('nats streams', ['nats'], (lab) => {
  const bench = useNatsBench();

  test('ten that open at once make the streams once, and all of them work', async () => {
    const { url } = lab.server('nats');
    const all = await Promise.all(Array.from({ length: 10 }, () => bench.open({ url })));
    const got: string[] = [];
    await Promise.all(all.map((events) => events.subscribe(quick('readers', async ({ id }) => void got.push(id)))));
    await Promise.all(all.map((events, index) => events.publish(eventOf(made, { id: `evt-${index}` }))));
    await eventually(() => expect(got.toSorted()).toEqual(all.map((_, index) => `evt-${index}`).toSorted()));
    await using door = await backDoor(url, bench.namespace);
    const info = await door.manager.streams.info(door.layout.eventsStream);
    expect(info).toMatchObject({
      config: { storage: 'file', retention: 'limits', max_age: 7 * 24 * 60 * 60 * 1e9, duplicate_window: 120e9 },
    });
    expect(info.config.metadata).not.toHaveProperty('burgage-remade');
  });

  test('a stream counts from the milliseconds of the clock times 1,000, so none has the numbers of one that was lost', async () => {
    const { url } = lab.server('nats');
    const nowMs = Date.parse('2254-12-31T23:59:59.999Z');
    await bench.open({ url, clock: { ...systemClock, now: () => new Date(nowMs) } });
    await using door = await backDoor(url, bench.namespace);
    const { eventsStream, deadLettersStream, exhaustedStream } = door.layout;
    for (const stream of [eventsStream, deadLettersStream, exhaustedStream]) {
      expect((await door.manager.streams.info(stream)).config.first_seq).toBe(nowMs * 1_000);
    }
    expect(Number.isSafeInteger(nowMs * 1_000)).toBe(true);
    // Another that opens leaves it at that.
    const events = await bench.open({ url, retentionMs: 60_000 });
    await events.publish(eventOf(made));
    expect(await door.manager.streams.info(eventsStream)).toMatchObject({
      config: { first_seq: nowMs * 1_000 },
      state: { last_seq: nowMs * 1_000 },
    });
  });

  test('other options change the streams and keep what is in them', async () => {
    const { url } = lab.server('nats');
    await (await bench.open({ url })).publish(eventOf(made));
    await bench.open({ url, retentionMs: 60_000, bytesMax: 10_000_000, duplicateWindowMs: 1_000 });
    await using door = await backDoor(url, bench.namespace);
    expect(await door.manager.streams.info(door.layout.eventsStream)).toMatchObject({
      config: { max_age: 60e9, max_bytes: 10_000_000, duplicate_window: 1e9 },
      state: { messages: 1 },
    });
    // Who gives none leaves what is there.
    await bench.open({ url });
    expect(await door.manager.streams.info(door.layout.eventsStream)).toMatchObject({
      config: { max_age: 60e9, max_bytes: 10_000_000, duplicate_window: 1e9 },
    });
    expect(await door.manager.streams.info(door.layout.deadLettersStream)).toMatchObject({ config: { max_age: 0, max_bytes: -1 } });
    await bench.open({ url, retentionMs: 600_000, duplicateWindowMs: 500 });
    expect(await door.manager.streams.info(door.layout.eventsStream)).toMatchObject({ config: { max_age: 600e9, duplicate_window: 5e8 } });
  });

  test('what the server cannot do is said with the name of the stream', async () => {
    const { url } = lab.server('nats');
    await expect(bench.open({ url, replicas: 3 })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/^stream burgage-test-.*-events: the NATS server refuses it: replicas > 1 not supported/),
    });
  });

  test('a stream that would not outlive the server is refused', async () => {
    const { url } = lab.server('nats');
    await using door = await backDoor(url, bench.namespace);
    const { eventsStream: name, eventSubjects } = door.layout;
    await door.manager.streams.add({ name, subjects: [...eventSubjects], storage: 'memory' });
    await expect(bench.open({ url })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(`stream ${name}: got the storage memory, expected file`),
    });
  });

  test('an id that is published again within the window is stored once', async () => {
    const { url } = lab.server('nats');
    const [left, right] = await Promise.all([bench.open({ url }), bench.open({ url })]);
    for (const events of [left, right, left]) await events.publish(eventOf(made, { id: 'one event' }));
    await using door = await backDoor(url, bench.namespace);
    expect(await door.manager.streams.info(door.layout.eventsStream)).toMatchObject({ state: { messages: 1 } });
  });

  test('an event that is larger than the server takes is refused; the largest that is not can still be buried', async () => {
    const { url } = lab.server('nats');
    const events = await bench.open({ url });
    await events.subscribe(
      quick(
        'readers',
        async () => {
          throw new Error('ü'.repeat(1_000));
        },
        { attemptsMax: 1 },
      ),
    );
    const refusal: unknown = await events.publish(eventOf(made, { data: new Uint8Array(1_048_576) })).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'invalid_argument', fields: [{ field: 'data' }] });
    const bytesMax = Number(/expected at most (\d+)$/.exec(String(refusal))?.[1]);
    await expect(events.publish(eventOf(made, { data: new Uint8Array(bytesMax + 100) }))).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    await events.publish(eventOf(made, { data: new Uint8Array(bytesMax - 100) }));
    await eventually(async () => expect(await events.deadLetters(10)).toMatchObject([{ reason: expect.stringMatching(/^ü+…$/) }]));
  });

  test('a message that is no event becomes a dead letter, and those behind it go on', async () => {
    const { url } = lab.server('nats');
    const events = await bench.open({ url });
    const got: string[] = [];
    await events.subscribe(quick('readers', async ({ id }) => void got.push(id)));
    await using door = await backDoor(url, bench.namespace);
    const subject = door.layout.eventSubject(made);
    door.connection.publish(subject, 'from somebody else');
    await door.connection.flush();
    await events.publish(eventOf(made, { id: 'behind' }));
    await eventually(async () => {
      expect(got).toEqual(['behind']);
      expect(await events.deadLetters(10)).toMatchObject([
        {
          consumer: 'readers',
          event: { subject, data: new TextEncoder().encode('from somebody else') },
          reason: expect.stringMatching(/^headers: got/),
        },
      ]);
    });
  });

  test('without a namespace an event is on the wire under its own subject, and nothing else may be published', async () => {
    const { url } = await lab.start('nats');
    const events = await bench.openWithoutNamespace({ url });
    await using door = await backDoor(url);
    const got: string[] = [];
    const wire: string[] = [];
    door.connection.subscribe('burgage.>', { callback: (_error, message) => void wire.push(message.subject) });
    await door.connection.flush();
    await events.subscribe(quick('readers', async ({ subject }) => void got.push(subject), { subjects: ['>'] }));
    await events.publish(eventOf(made));
    await eventually(() => expect([got, wire]).toEqual([[made], [made]]));
    await expect(events.publish(eventOf('other.thing.made'))).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
