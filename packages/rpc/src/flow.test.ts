import { describe, expect, test } from 'vitest';
import { eventually, freeAddress, kinds, provisionerClient, registryClient, settled, startServer } from '../test/servers.ts';

/** A hundred thousand messages of 10 kB: nobody could hold them all unnoticed. */
const messages = 100_000;
const detail = 'x'.repeat(10_000);
/** What fits into the buffers on the way: a window of HTTP/2, a socket, and 16 messages on each side. */
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
