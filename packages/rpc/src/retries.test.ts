import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import { BurgageError, type ErrorCode } from '@burgage/contracts';
import { createMetrics, ManualClock, seededRandom } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { eventually, freeAddress, later, makeServer, registryClient, startServer, unrepeatableClient } from '../test/servers.ts';

/** No wait between tries. */
const atOnce = { random: { ...seededRandom(1), float: () => 0 } };

async function failing(code: ErrorCode, times: number, retryAfterMs?: number) {
  const counted = { calls: 0 };
  const server = await startServer({
    registry: {
      getTenant: async () => {
        counted.calls++;
        if (counted.calls <= times) throw new BurgageError(code, retryAfterMs === undefined ? {} : { retryAfterMs });
        return {};
      },
    },
  });
  return { server, counted };
}

test('an idempotent method is tried again where the catalogue says that it may help', async () => {
  const { server, counted } = await failing('unavailable', 2);
  const metrics = createMetrics();
  await registryClient(server, { ...atOnce, metrics }).getTenant({});
  expect(counted.calls).toBe(3);
  expect(await metrics.registry.metrics()).toContain(
    'burgage_rpc_client_retries_total{service="burgage.registry.v1.RegistryService",method="GetTenant"} 2',
  );
});

test('it is tried three times at most', async () => {
  const { server, counted } = await failing('unavailable', 9);
  await expect(registryClient(server, atOnce).getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
  expect(counted.calls).toBe(3);
});

test('a method that the contract does not mark is never tried again', async () => {
  const { server, counted } = await failing('unavailable', 9);
  await expect(unrepeatableClient(server, atOnce).getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
  expect(counted.calls).toBe(1);
});

/** A server that resets the first streams with `code` and answers the next. */
async function resetting(code: number, times: number) {
  const counted = { streams: 0 };
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    if (++counted.streams <= times) {
      stream.close(code);
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  });
  const address = freeAddress('unix');
  server.listen(address.slice('unix:'.length));
  later(() => void server.close());
  await once(server, 'listening');
  return { server: { address: () => address }, counted };
}

test('a call that the server says it has not looked at is tried again, whatever its method', async () => {
  // The first refusal is repeated by grpc-js, the second is ours to repeat.
  const { server, counted } = await resetting(constants.NGHTTP2_REFUSED_STREAM, 2);
  await unrepeatableClient(server, atOnce).getTenant({});
  expect(counted.streams).toBe(3);
});

test('a call that was reset without an answer is unavailable, and tried again where the contract allows it', async () => {
  const { server, counted } = await resetting(constants.NGHTTP2_INTERNAL_ERROR, 2);
  await expect(unrepeatableClient(server, atOnce).getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
  expect(counted.streams).toBe(1);
  await registryClient(server, atOnce).getTenant({});
  expect(counted.streams).toBe(3);
});

test('an error that will not go away by itself is not tried again', async () => {
  const { server, counted } = await failing('tenant_not_found', 9);
  await expect(registryClient(server, atOnce).getTenant({})).rejects.toMatchObject({ code: 'tenant_not_found' });
  expect(counted.calls).toBe(1);
});

test('no try begins that the deadline would not let begin', async () => {
  const { server, counted } = await failing('rate_limited', 9, 60_000);
  await expect(registryClient(server, atOnce).getTenant({}, { timeoutMs: 30_000 })).rejects.toMatchObject({
    code: 'rate_limited',
    retryAfterMs: 60_000,
  });
  expect(counted.calls).toBe(1);
});

test('the waits are full jitter below 100 and 200 ms, and a cancelled wait ends the call', async () => {
  const { server, counted } = await failing('unavailable', 9);
  const clock = new ManualClock();
  const abort = new AbortController();
  const call = registryClient(server, { clock, random: { ...seededRandom(1), float: () => 0.5 } }).getTenant({}, { signal: abort.signal });
  call.catch(() => {});
  await eventually(() => clock.sleeping === 1);
  await clock.advance(49);
  expect(counted.calls).toBe(1);
  await clock.advance(1);
  await eventually(() => counted.calls === 2 && clock.sleeping === 1);
  await clock.advance(99);
  expect(counted.calls).toBe(2);
  abort.abort();
  await expect(call).rejects.toMatchObject({ code: 'cancelled' });
  expect(counted.calls).toBe(2);
});

test('the breaker opens after five calls that reached nobody, refuses at once, lets one through, and closes when that one succeeds', async () => {
  const address = freeAddress('unix');
  const clock = new ManualClock();
  const metrics = createMetrics();
  const client = unrepeatableClient({ address: () => address }, { clock, metrics });
  const failure = () => client.getTenant({}).catch((error: unknown) => error);
  const gauge = async () => /burgage_rpc_client_breaker_open\{.*\} (\d)/.exec(await metrics.registry.metrics())?.[1];

  for (let count = 0; count < 5; count++)
    expect(await failure()).toMatchObject({ code: 'unavailable', message: expect.stringContaining('cannot be reached') });
  const refused = {
    code: 'unavailable',
    message: `burgage.registry.v1.RegistryService at ${address} could not be reached lately: no call is sent for a moment`,
  };
  expect(await failure()).toMatchObject(refused);
  expect(await gauge()).toBe('1');

  // Back, but the breaker is open until its time has come.
  let calls = 0;
  let hold = Promise.resolve();
  const server = makeServer({
    address,
    registry: {
      getTenant: async () => {
        calls++;
        await hold;
        return {};
      },
    },
  });
  await server.start();
  await clock.advance(499);
  expect(await failure()).toMatchObject(refused);
  expect(calls).toBe(0);

  // The probe is on its way: the others are refused. It may find the connection still backing off, and opens it again.
  const held = Promise.withResolvers<void>();
  hold = held.promise;
  let probe: Promise<unknown> = Promise.resolve();
  await eventually(async () => {
    await clock.advance(500);
    let ended = false;
    probe = failure().finally(() => {
      ended = true;
    });
    await eventually(() => ended || calls > 0);
    return calls > 0;
  });
  expect(await failure()).toMatchObject(refused);
  held.resolve();
  expect(await probe).toMatchObject({ $typeName: 'burgage.registry.v1.GetTenantResponse' });
  expect(await gauge()).toBe('0');
  await client.getTenant({});
  expect(calls).toBe(2);
});

test('errors that the server sent do not open the breaker', async () => {
  const { server, counted } = await failing('unavailable', 9);
  const client = unrepeatableClient(server);
  for (let count = 0; count < 9; count++) await expect(client.getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
  await client.getTenant({});
  expect(counted.calls).toBe(10);
});

test('streams count for the breaker and are refused by it', async () => {
  const address = freeAddress('unix');
  const client = registryClient({ address: () => address });
  const failure = () => Array.fromAsync(client.watchRoutes((async function* () {})())).catch((error: unknown) => error);
  for (let count = 0; count < 5; count++)
    expect(await failure()).toMatchObject({ code: 'unavailable', message: expect.stringContaining('cannot be reached') });
  expect(await failure()).toMatchObject({ code: 'unavailable', message: expect.stringContaining('no call is sent') });
});
