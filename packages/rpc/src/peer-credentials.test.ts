// What a client does with a connection that ends before its TLS handshake.
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryService } from '@burgage/contracts';
import { systemClock, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDevelopmentCa, createRpcClient, readTlsIdentity, type TlsIdentity } from './index.ts';

let folder: string;
let identity: TlsIdentity;
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-rpc-'));
  const ca = await createDevelopmentCa({ folder, clock: systemClock, random: systemRandom });
  identity = await readTlsIdentity(await ca.issue('gateway'));
});
afterEach(async () => {
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

it.each([
  { lookMs: 40, resetMs: 10 },
  { lookMs: 0, resetMs: 0 },
])(
  'a server that resets the connection after $resetMs ms, with the certificate looked at for $lookMs ms, is out of reach and nothing worse',
  async ({ lookMs, resetMs }) => {
    let connections = 0;
    server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => {});
      // Once it is connected on the other side too.
      void systemClock.sleep(resetMs).then(() => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const slow: TlsIdentity = {
      service: identity.service,
      current: async () => {
        await systemClock.sleep(lookMs);
        return await identity.current();
      },
    };
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = createRpcClient(RegistryService, { address, tls: slow, peer: 'registry' });
    try {
      await expect(client.resolveHost({ host: 'a.example.com' })).rejects.toMatchObject({ code: 'unavailable' });
      expect(connections).toBeGreaterThan(0);
    } finally {
      await client.close();
    }
  },
);
