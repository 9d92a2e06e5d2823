// A TLS server that lets in only services with a certificate of the authority, and knows their names.
import type { Server, Socket } from 'node:net';
import { createServer, type PeerCertificate, type Server as TlsServer } from 'node:tls';
import type { Clock } from '@burgage/runtime';
import { handshakeTimeoutMs, tlsRereadMs } from './defaults.ts';
import type { Refusal } from './metrics.ts';
import type { Refusals } from './refusals.ts';
import { serviceNamed } from './service-name.ts';
import { minVersion, type TlsIdentity } from './tls-identity.ts';

export interface MutualTlsParts {
  readonly refusals: Refusals;
  /** Takes a connection whose service is known. */
  readonly accept: (socket: Socket) => void;
  readonly clock: Clock;
  /** Aborted when the server is closed. */
  readonly closed: AbortSignal;
}

const services = new WeakMap<PeerCertificate, string>();

/** The service at the other end of a connection that this server let in, by the certificate that its socket shows. */
export function serviceOf(certificate: PeerCertificate | undefined): string | undefined {
  return certificate === undefined ? undefined : services.get(certificate);
}

/** Not listening yet. */
export async function createMutualTlsServer(identity: TlsIdentity, { refusals, accept, clock, closed }: MutualTlsParts): Promise<Server> {
  const { ca, cert, key } = await identity.current();
  const options = { minVersion, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] } as const;
  const server = createServer({ ...options, ca, cert, key, handshakeTimeout: handshakeTimeoutMs, noDelay: true });
  const handshakes = new Handshakes();
  server.on('connection', (socket: Socket) => handshakes.begun(socket));
  server.on('secureConnection', (socket) => {
    const remote = handshakes.ended(socket);
    // What comes after this concerns the connection, and its calls hear of it.
    socket.on('error', () => {});
    const certificate = socket.getPeerCertificate();
    const service = serviceNamed(certificate.subjectaltname);
    if (service === undefined) {
      refusals.record('no_service_name', remote, certificate.subjectaltname ?? 'no names');
      socket.destroy();
      return;
    }
    services.set(certificate, service);
    // Asked for with every call, and parsed anew each time.
    Object.assign(socket, { getPeerCertificate: () => certificate });
    accept(socket);
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const unauthorized = socket.authorizationError as unknown as string | null;
    const code = unauthorized ?? error.code ?? error.message;
    refusals.record(refusalOf(code, unauthorized !== null), handshakes.ended(socket), code);
  });
  void followIdentity(server, identity, clock, closed);
  return server;
}

/** Gives new connections the certificate that is on disk. */
async function followIdentity(server: TlsServer, identity: TlsIdentity, clock: Clock, closed: AbortSignal): Promise<void> {
  let used = await identity.current();
  while (!closed.aborted) {
    await clock.sleep(tlsRereadMs, closed);
    const material = await identity.current();
    if (material === used) continue;
    used = material;
    server.setSecureContext({ minVersion, ca: used.ca, cert: used.cert, key: used.key });
  }
}

function refusalOf(code: string, unauthorized: boolean): Refusal {
  if (code === 'CERT_HAS_EXPIRED') return 'expired_certificate';
  if (unauthorized) return 'untrusted_certificate';
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'no_certificate';
  // With an alert it is the client that breaks off: it may not trust us.
  return code.startsWith('ERR_SSL_') && !code.includes('_ALERT_') ? 'no_tls' : 'broken_off';
}

/** Where the connections come from that are in their handshake: of one that ended in it, Node no longer knows. */
class Handshakes {
  readonly #open = new Set<string>();
  /** Closed, in the order in which Node is going to say so. */
  readonly #closed: string[] = [];

  begun(socket: Socket): void {
    const remote = remoteOf(socket);
    this.#open.add(remote);
    socket.once('close', () => {
      if (this.#open.delete(remote)) this.#closed.push(remote);
    });
  }

  ended(socket: Socket): string | undefined {
    const remote = remoteOf(socket);
    return this.#open.delete(remote) ? remote : this.#closed.shift();
  }
}

function remoteOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
