// Loopback ports: whether one is free, and free ones that nobody uses yet.
import { type AddressInfo, createServer } from 'node:net';
import { fieldError } from '@burgage/contracts';

/** Binds and lets go again. Answers with the port: `port` itself, or a free one where it is 0. */
async function tryPort(host: string, port: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}

/** @throws BurgageError `port_taken` (port), or `config_invalid` (host or port) where this user may not listen there. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  try {
    await tryPort(host, port);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') throw fieldError('port_taken', 'port', `${host}:${port} is in use by another program`, error);
    if (code === 'EACCES')
      throw fieldError('config_invalid', 'port', `this user may not listen on port ${port}, expected one from 1024 on`, error);
    if (code === 'EADDRNOTAVAIL') throw fieldError('config_invalid', 'host', `got ${host}, expected an address of this machine`, error);
    throw error;
  }
}

export async function freePort(host: string): Promise<number> {
  return await tryPort(host, 0);
}
