// Listening on an address, with a sentence for each way in which it fails.
import type { AddressInfo, Server } from 'node:net';
import { BurgageError } from '@burgage/contracts';

/** @throws BurgageError `port_taken`, or `config_invalid` where the address is not to be had. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new BurgageError('port_taken', { message: `${host}:${port} is in use by another program.`, cause: error })
          : new BurgageError('config_invalid', { message: failure(host, port, error.code ?? error.message), cause: error }),
      );
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function failure(host: string, port: number, code: string): string {
  switch (code) {
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `--host: ${JSON.stringify(host)} is no address of this machine (${code}).`;
    case 'EACCES':
      return `--port: ${port} may not be used by this user (${code}).`;
    default:
      return `--host: the gateway cannot listen on ${host}:${port} (${code}).`;
  }
}

export function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
