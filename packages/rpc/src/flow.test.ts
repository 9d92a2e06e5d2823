import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { eventually, freeAddress, kinds, provisionerClient, registryClient, settled, startServer } from '../test/servers.ts';
import { writeAll } from './flow.ts';

/** A hundred thousand messages of 10 kB: nobody could hold them all unnoticed. */
const messages = 100_000;
const detail = 'x'.repeat(10_000);
/** What fits into the buffers on the way: a window of HTTP/2, which is 4 MiB where we read, a socket, and 16 messages on each side. */
const bufferedMax = 1_000;

describe.each(kinds)('over %s', (kind) => {
  test('a reader that stalls stalls the server that produces for it', async () => {
    let produced = 0;
    const server = await startServer({
      address: freeAddress(kind),
      provisioner: {
        watchOperation: async function* () {
          for (; produced < messages; produced++) yield { progress: { sequence: BigInt(produced), detail } };
        },
      },
    });
    const stream = provisionerClient(server).watchOperation({});
    await stream.next();
    const stalledAt = await settled(() => produced);
    expect(stalledAt).toBeLessThan(bufferedMax);
    for (let read = 1; read < 2_000; read++) expect((await stream.next()).value?.progress?.sequence).toBe(BigInt(read));
    expect(produced).toBeGreaterThan(1_999);
    expect(await settled(() => produced)).toBeLessThan(2_000 + bufferedMax);
    await stream.return();
  });

  test('a server that does not read stalls the client that sends to it', async () => {
    let produced = 0;
    const read = Promise.withResolvers<void>();
    const server = await startServer({
      address: freeAddress(kind),
      registry: {
        watchRoutes: async function* (requests) {
          await read.promise;
          let count = 0n;
          for await (const _ of requests) count++;
          yield { message: { case: 'head', value: { revision: count } } };
        },
      },
    });
    async function* requests() {
      for (; produced < 3_000; produced++) yield { message: { case: 'hello', value: { gatewayId: detail } } } as const;
    }
    const answer = Array.fromAsync(registryClient(server).watchRoutes(requests()));
    await eventually(() => produced > 0);
    expect(await settled(() => produced)).toBeLessThan(bufferedMax);
    read.resolve();
    expect((await answer)[0]?.message).toMatchObject({ case: 'head', value: { revision: 3_000n } });
  });

  test('a stalled producer is closed when its reader goes away', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await startServer({
      address: freeAddress(kind),
      provisioner: {
        watchOperation: async function* () {
          try {
            for (;;) yield { progress: { detail } };
          } finally {
            closed.resolve();
          }
        },
      },
    });
    const stream = provisionerClient(server).watchOperation({});
    await stream.next();
    await stream.return();
    await closed.promise;
  });
});

test('for a reader that leaves everything in the connection, a server makes four messages more than the window holds', async () => {
  const windowBytes = 65_535;
  let produced = 0;
  const address = freeAddress('unix');
  await startServer({
    address,
    provisioner: {
      watchOperation: async function* () {
        for (; produced < messages; produced++) yield { progress: { detail } };
      },
    },
  });
  const session = connect('http://localhost', { createConnection: () => connectSocket(address.slice('unix:'.length)) });
  const path = '/burgage.provisioner.v1.ProvisionerService/WatchOperation';
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  const call = session.request({ ':method': 'POST', ':path': path, ...headers });
  // An empty message. Nobody reads the answer.
  call.end(Buffer.alloc(5));
  call.pause();
  await eventually(() => produced > 0);
  const inWindow = Math.ceil(windowBytes / detail.length);
  expect(await settled(() => produced)).toBeLessThanOrEqual(inWindow + 4);
  session.destroy();
});

describe('writeAll', () => {
  const never = new AbortController().signal;
  const bytes = (item: string) => Buffer.from(item);

  /** Counts what is taken from it, and never ends by itself. */
  function producer({ stallsAt = Number.POSITIVE_INFINITY } = {}) {
    const made = { count: 0, closed: Promise.withResolvers<void>() };
    async function* items() {
      try {
        for (;;) {
          if (made.count === stallsAt) await new Promise((resolve) => setTimeout(resolve, 50));
          yield String(made.count++);
        }
      } finally {
        made.closed.resolve();
      }
    }
    return { made, items: items() };
  }

  test('takes four items ahead of a stream that takes none', async () => {
    const { made, items } = producer();
    const cut = new AbortController();
    const stalled = new Writable({ write() {} });
    const written = writeAll(stalled, items, bytes, cut.signal);
    expect(await settled(() => made.count)).toBe(4);
    const reason = new Error('cut');
    cut.abort(reason);
    await expect(written).rejects.toBe(reason);
    await made.closed.promise;
  });

  test.for<[how: string, end: (stream: Writable) => void]>([
    ['is destroyed', (stream) => void stream.destroy()],
    ['is destroyed with an error', (stream) => void stream.destroy(new Error('reset'))],
    ['says an error', (stream) => void stream.emit('error', new Error('reset'))],
  ])('ends, and closes what produces, where a stream that takes nothing %s', async ([, end]) => {
    const { made, items } = producer();
    const stream = new Writable({ write() {} }).on('error', () => {});
    const written = writeAll(stream, items, bytes, never);
    await settled(() => made.count);
    end(stream);
    expect(await written).toBe(false);
    await made.closed.promise;
    expect(made.count).toBe(4);
  });

  test('ends where a write fails', async () => {
    const { made, items } = producer();
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('reset')) }).on('error', () => {});
    expect(await writeAll(stream, items, bytes, never)).toBe(false);
    await made.closed.promise;
  });

  test('ends where the stream fails while nothing is produced', async () => {
    const { made, items } = producer({ stallsAt: 1 });
    const stream = new Writable({ write: (_chunk, _encoding, done) => done() }).on('error', () => {});
    const written = writeAll(stream, items, bytes, never);
    await eventually(() => made.count === 1);
    stream.destroy(new Error('reset'));
    expect(await written).toBe(false);
    await made.closed.promise;
  });

  test('ends on a stream that was over before', async () => {
    const { made, items } = producer();
    const stream = new Writable({ write: (_chunk, _encoding, done) => done() }).on('error', () => {});
    stream.destroy();
    expect(await writeAll(stream, items, bytes, never)).toBe(false);
    await made.closed.promise;
  });

  test('leaves no listener on a stream that goes on', async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done() });
    async function* items() {
      yield 'a';
    }
    expect(await writeAll(stream, items(), bytes, never)).toBe(true);
    expect([stream.listenerCount('error'), stream.listenerCount('close')]).toEqual([0, 0]);
  });
});
