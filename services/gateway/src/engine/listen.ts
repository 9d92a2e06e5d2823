// Listening on an address, with a sentence for each way in which it fails.
import type { AddressInfo, Server } from 'node:net';
import { type BurgageError, fieldError } from '@burgage/contracts';

/** @throws BurgageError `port_taken` (port), or `config_invalid` (host or port) where the address is not to be had. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? fieldError('port_taken', 'port', `${host}:${port} is in use by another program`, error)
          : failure(host, port, error),
      );
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function failure(host: string, port: number, error: NodeJS.ErrnoException): BurgageError {
  const code = error.code ?? error.message;
  switch (code) {
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return fieldError('config_invalid', 'host', `${JSON.stringify(host)} is no address of this machine (${code})`, error);
    case 'EACCES':
      return fieldError('config_invalid', 'port', `${port} may not be used by this user (${code})`, error);
    default:
      return fieldError('config_invalid', 'host', `the gateway cannot listen on ${host}:${port} (${code})`, error);
  }
}

export function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
