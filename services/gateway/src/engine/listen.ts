// Listening on an address, with a sentence for each way in which it fails.
import type { AddressInfo, Server } from 'node:net';
import { type BurgageError, fieldError } from '@burgage/contracts';

/** What the port is called by whoever chose it. */
export type PortField = 'port' | 'httpsPort';

/** `reusePort`: others that say so too get a part of its connections. @throws BurgageError `port_taken` (the port's field), or `config_invalid` (host or the port's) where the address is not to be had. */
export function listen(server: Server, host: string, port: number, field: PortField = 'port', reusePort = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? fieldError('port_taken', field, `${host}:${port} is in use by another program`, error)
          : failure(host, port, field, error),
      );
    };
    server.once('error', onError);
    server.listen({ host, port, reusePort }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function failure(host: string, port: number, field: PortField, error: NodeJS.ErrnoException): BurgageError {
  const code = error.code ?? error.message;
  switch (code) {
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return fieldError('config_invalid', 'host', `${JSON.stringify(host)} is no address of this machine (${code})`, error);
    case 'ENOTSUP':
      return fieldError('config_invalid', 'workers', 'got more than 1, expected 1: on this system listeners cannot share a port', error);
    case 'EACCES':
      return fieldError('config_invalid', field, `${port} may not be used by this user (${code})`, error);
    default:
      return fieldError('config_invalid', 'host', `the gateway cannot listen on ${host}:${port} (${code})`, error);
  }
}

export function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
