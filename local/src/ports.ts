// Loopback ports: whether one is free, and free ones that nobody uses yet.
import { type AddressInfo, createServer } from 'node:net';
import { BurgageError } from '@burgage/contracts';

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

/** @throws BurgageError `port_taken`, or `config_invalid` where this user may not bind the port. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  try {
    await tryPort(host, port);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE')
      throw new BurgageError('port_taken', { message: `Port ${port} on ${host} is in use by another program.`, cause: error });
    if (code === 'EACCES')
      throw new BurgageError('config_invalid', {
        message: `--port: this user may not listen on port ${port}, expected one from 1024 on.`,
        cause: error,
      });
    if (code === 'EADDRNOTAVAIL')
      throw new BurgageError('config_invalid', { message: `--host: got ${host}, expected an address of this machine.`, cause: error });
    throw error;
  }
}

export async function freePort(host: string): Promise<number> {
  return await tryPort(host, 0);
}
