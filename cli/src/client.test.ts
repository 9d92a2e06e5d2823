// Asking an API that is not there, for now or for good.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { endedProcess } from '../test/platform.ts';
import { createClient } from './client.ts';
import type { Connection } from './connection.ts';

/** A server that answers every request with `{}`. */
async function listening(): Promise<{ api: string; close(): Promise<void> }> {
  const server = createServer((_request, response) => response.end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    api: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Where nothing listens. */
async function deserted(pid = process.pid): Promise<Connection> {
  const { api, close } = await listening();
  await close();
  return { api, token: 't', tokenFrom: 'file', dataFolder: '/data', pid };
}

test('an API that is being started again is asked again, where runtime.json then says it is', async () => {
  let connection = await deserted();
  const server = await listening();
  let waits = 0;
  const client = createClient(
    () => connection,
    async () => {
      waits += 1;
      if (waits === 3) connection = { ...connection, api: server.api };
    },
  );
  expect(await client.get('/v1/plans')).toEqual({});
  expect(waits).toBe(3);
  await server.close();
});

test('an API that stays away while Burgage runs is unavailable after three seconds of waits', async () => {
  const connection = await deserted();
  let waitedMs = 0;
  const client = createClient(
    () => connection,
    async (ms) => {
      waitedMs += ms;
    },
  );
  await expect(client.post('/v1/tenants', {})).rejects.toMatchObject({
    exitCode: 6,
    problem: {
      code: 'unavailable',
      detail: `Burgage (process ${process.pid}) runs, but its API does not answer.`,
      advice: 'Try again in a few seconds.',
    },
  });
  expect(waitedMs).toBe(3_000);
});

test('where the process has ended, nothing runs, and nothing is waited for', async () => {
  const connection = await deserted(await endedProcess());
  const client = createClient(
    () => connection,
    () => Promise.reject(new Error('waited')),
  );
  await expect(client.get('/v1/plans')).rejects.toMatchObject({ problem: { code: 'not_running' } });
});
