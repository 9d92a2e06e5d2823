import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isBurgageError } from '@burgage/contracts';
import { describe, expect, test } from 'vitest';
import {
  eventually,
  freeAddress,
  kinds,
  later,
  makeServer,
  provisionerClient,
  registryClient,
  startProcess,
  startServer,
  temporaryFolder,
  unrepeatableClient,
} from '../test/servers.ts';

describe.each(kinds)('over %s', (kind) => {
  test('a drain lets calls in flight finish, tells streams to end, and takes nothing new', async () => {
    const gate = Promise.withResolvers<void>();
    const streamReason = Promise.withResolvers<unknown>();
    const server = await startServer({
      address: freeAddress(kind),
      registry: {
        getTenant: async () => {
          await gate.promise;
          return { tenant: { id: 'ten_1' } };
        },
      },
      provisioner: {
        watchOperation: async function* (_, { signal }) {
          yield { progress: { sequence: 1n } };
          await once(signal, 'abort');
          streamReason.resolve(signal.reason);
        },
      },
    });
    const inFlight = registryClient(server).getTenant({});
    const stream = provisionerClient(server).watchOperation({});
    await stream.next();
    const draining = server.drain();
    expect(isBurgageError(await streamReason.promise, 'draining')).toBe(true);
    await expect(stream.next()).rejects.toMatchObject({ code: 'draining' });
    await expect(unrepeatableClient(server).getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
    gate.resolve();
    expect((await inFlight).tenant?.id).toBe('ten_1');
    await draining;
    await server.stop();
  });

  test('calls that do not end within the drain are cut off', async () => {
    const reason = Promise.withResolvers<unknown>();
    const arrived = Promise.withResolvers<void>();
    const server = await startServer({
      address: freeAddress(kind),
      drainTimeoutMs: 30,
      registry: {
        getTenant: async (_, { signal }) => {
          arrived.resolve();
          await once(signal, 'abort');
          reason.resolve(signal.reason);
          return {};
        },
      },
    });
    const call = unrepeatableClient(server).getTenant({});
    call.catch(() => {});
    await arrived.promise;
    await server.drain();
    await expect(call).rejects.toMatchObject({ code: 'unavailable' });
    expect(isBurgageError(await reason.promise)).toBe(true);
  });

  test('a client finds a server that was stopped and started again on the same address', async () => {
    const registry = { getTenant: async () => ({}) };
    const first = await startServer({ address: freeAddress(kind), registry });
    const address = first.address();
    const client = registryClient(first);
    await client.getTenant({});
    await first.stop();
    await expect(client.getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
    await startServer({ address, registry });
    await eventually(() =>
      client.getTenant({}).then(
        () => true,
        () => false,
      ),
    );
  });
});

test('a killed server is unavailable, in the middle of a call too; its successor takes the socket it left, and clients find it', async () => {
  const address = freeAddress('unix');
  const path = address.slice('unix:'.length);
  const first = await startProcess(address);
  const client = unrepeatableClient({ address: () => address });
  await client.getTenant({});
  const slow = client.getTenant({ tenant: 'slow' });
  slow.catch(() => {});
  await client.getTenant({});
  await first.kill();
  await expect(slow).rejects.toMatchObject({ code: 'unavailable' });
  await expect(client.getTenant({})).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(address) });
  expect(existsSync(path)).toBe(true);
  await startProcess(address);
  await eventually(() =>
    client.getTenant({}).then(
      () => true,
      () => false,
    ),
  );
});

test('the socket is only its owner’s, and gone after the stop', async () => {
  const server = await startServer({ registry: {} });
  const path = server.address().slice('unix:'.length);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await server.stop();
  expect(existsSync(path)).toBe(false);
});

describe.each(kinds)('over %s', (kind) => {
  test('an address that is taken is refused, and whoever has it goes on', async () => {
    const server = await startServer({ address: freeAddress(kind), registry: { getTenant: async () => ({}) } });
    await expect(makeServer({ address: server.address(), registry: {} }).start()).rejects.toMatchObject({
      code: 'port_taken',
      message: expect.stringContaining(server.address()),
    });
    await registryClient(server).getTenant({});
  });
});

test('a file that is no socket is left alone', async () => {
  const path = join(temporaryFolder(), 'precious');
  writeFileSync(path, 'x');
  await expect(makeServer({ address: `unix:${path}`, registry: {} }).start()).rejects.toMatchObject({ code: 'port_taken' });
  expect(existsSync(path)).toBe(true);
});

test('a port held by a program that speaks no gRPC is refused too', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  later(() => void other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await expect(makeServer({ address: `127.0.0.1:${port}`, registry: {} }).start()).rejects.toMatchObject({ code: 'port_taken' });
});

test.each([
  '',
  'unix:relative',
  'localhost',
  'localhost:',
  'localhost:99999',
  'a:b:1',
  '[nonsense]:1',
  'http://x:1',
  `unix:/${'x'.repeat(200)}`,
])('the address %j is refused by name', (address) => {
  expect(() => makeServer({ address, registry: {} })).toThrow(/^address: /);
});

test('IPv6 addresses work', async () => {
  const server = await startServer({ address: '[::1]:0', registry: { getTenant: async () => ({}) } });
  expect(server.address()).toMatch(/^\[::1\]:\d+$/);
  await registryClient(server).getTenant({});
});
