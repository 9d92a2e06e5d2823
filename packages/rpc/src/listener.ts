// Connections as a server takes them: from a Unix socket as they are, from TCP those of a service with a certificate.
import { createServer, type Server, type Socket } from 'node:net';
import { fieldError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import { type Address, claimSocketPath, closeSocketToOthers, formatAddress, unprotected } from './address.ts';
import { createMutualTlsServer } from './mutual-tls-server.ts';
import type { Refusals } from './refusals.ts';
import type { TlsIdentity } from './tls-identity.ts';

export interface Listener {
  /** With the port that was given. */
  readonly address: Address;
  /** Takes no new connection. Resolves when none is left. */
  close(): Promise<void>;
  /** Cuts off every connection as well. */
  destroy(): void;
}

export interface ListenerParts {
  readonly tls: TlsIdentity | undefined;
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly accept: (socket: Socket) => void;
}

/** @throws BurgageError `port_taken`; `config_invalid` for TCP without an identity, and for what cannot be listened on. */
export async function listen(wanted: Address, { tls, clock, refusals, accept }: ListenerParts): Promise<Listener> {
  const closed = new AbortController();
  const sockets = new Set<Socket>();
  // A handshake may end after the listener was closed.
  const take = (socket: Socket): void => (closed.signal.aborted ? void socket.destroy() : accept(socket));
  let server: Server;
  if (wanted.kind === 'unix') {
    await claimSocketPath(wanted.path);
    server = createServer(take);
  } else {
    if (tls === undefined) throw unprotected(formatAddress(wanted));
    server = await createMutualTlsServer(tls, { refusals, accept: take, clock, closed: closed.signal });
  }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const address = await bind(server, wanted).catch((error: unknown) => {
    closed.abort();
    throw error;
  });
  if (wanted.kind === 'unix') await closeSocketToOthers(wanted.path);
  const gone = Promise.withResolvers<void>();
  const close = (): Promise<void> => {
    if (!closed.signal.aborted) {
      closed.abort();
      server.close(() => gone.resolve());
    }
    return gone.promise;
  };
  return {
    address,
    close,
    destroy: () => {
      void close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function bind(server: Server, wanted: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const place = formatAddress(wanted);
      const taken = error.code === 'EADDRINUSE';
      const description = taken ? `${place} is in use by another program` : `the server cannot listen on ${place}: ${error.message}`;
      reject(fieldError(taken ? 'port_taken' : 'config_invalid', 'address', description, error));
    });
    server.listen(wanted.kind === 'unix' ? { path: wanted.path } : { host: wanted.host, port: wanted.port }, () => {
      const bound = server.address();
      resolve(wanted.kind === 'tcp' && typeof bound === 'object' && bound !== null ? { ...wanted, port: bound.port } : wanted);
    });
  });
}
