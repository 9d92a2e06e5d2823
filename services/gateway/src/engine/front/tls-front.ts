// TLS on connections that have been accepted: the certificate by the name that the client asks for, tickets, a bounded handshake.
import { AsyncLocalStorage } from 'node:async_hooks';
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type SecureContext, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import type { Clock, Logger, Random } from '@burgage/runtime';
import type { Limits, Timeouts } from '../../defaults.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import type { CertificateStore, KeyPair } from '../certificate-store.ts';
import { handshakeFailure, NoCertificate } from './handshake-failures.ts';
import { SecureContexts } from './secure-contexts.ts';
import { serverOf } from './server-name.ts';
import { type TicketKeySource, TicketKeys } from './ticket-keys.ts';

export interface TlsFrontOptions {
  readonly certificates: CertificateStore;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Absent: they are made here. */
  readonly ticketKeys?: TicketKeySource | undefined;
  /** Offered in this order of preference. */
  readonly protocols: readonly string[];
}

/** What begins within a connection may keep its handshake for longer than the connection lasts: nothing else hangs on it then. */
interface Handshake {
  onSecure?: ((socket: TLSSocket) => void) | undefined;
}

/** Forward secrecy and authenticated encryption alone; which of them is the client's choice, who knows its processor. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
const common: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  ciphers,
  honorCipherOrder: false,
  // Nobody needs another handshake within a connection, and each costs us more than who asks for it.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

export class TlsFront {
  readonly #contexts: SecureContexts;
  readonly #tickets: TicketKeySource;
  readonly #clock: Clock;
  readonly #server: Server;
  /** The one that is under way: node:tls does not say on which connection a secure one stands. */
  readonly #handshake = new AsyncLocalStorage<Handshake>();
  /** The pair that clients get who name nobody. */
  #default: KeyPair | undefined;

  constructor(options: TlsFrontOptions) {
    const { certificates, timeouts, limits, metrics, clock, random, logger, protocols } = options;
    this.#clock = clock;
    this.#tickets = options.ticketKeys ?? new TicketKeys(random, timeouts.ticketKeyMs, clock.monotonicMs());
    this.#contexts = new SecureContexts({ store: certificates, common, namesMax: limits.certificatesMax, clock, logger });
    this.#server = createServer({
      ...common,
      ticketKeys: this.#tickets.current,
      ALPNProtocols: [...protocols],
      handshakeTimeout: timeouts.headMs,
      SNICallback: (serverName, answer) => {
        // node:tls would give the default certificate to whom it is told of none; an alert it cannot be asked for.
        const decide = (context: SecureContext | undefined) => answer(context === undefined ? new NoCertificate() : null, context);
        const server = serverOf(serverName);
        if (server === null) {
          answer(null);
          return;
        }
        const found = server === undefined ? undefined : this.#contexts.find(server);
        if (found instanceof Promise) found.then(decide, answer);
        else decide(found);
      },
    });
    this.#server.on('secureConnection', (socket) => {
      metrics.handshakes.of(socket.isSessionReused() ? 'resumed' : 'full').inc();
      const handshake = this.#handshake.getStore();
      if (handshake?.onSecure === undefined) {
        socket.destroy();
        return;
      }
      const { onSecure } = handshake;
      handshake.onSecure = undefined;
      onSecure(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      metrics.handshakeFailures.of(handshakeFailure(error)).inc();
      socket.destroy();
    });
  }

  async start(): Promise<void> {
    this.#useDefault(await this.#contexts.loadDefaultPair());
  }

  /** Begins the handshake with what the socket sends. It fails, or `onSecure` is called. */
  take(socket: Socket, onSecure: (socket: TLSSocket) => void): void {
    this.#useDefault(this.#contexts.defaultPair());
    this.#handshake.run({ onSecure }, () => this.#server.emit('connection', socket));
  }

  /** Called now and then. */
  check(): void {
    if (!this.#tickets.rotate(this.#clock.monotonicMs())) return;
    this.#server.setTicketKeys(this.#tickets.current);
  }

  #useDefault(pair: KeyPair | undefined): void {
    if (pair?.stamp === this.#default?.stamp) return;
    this.#default = pair;
    this.#server.setSecureContext({ ...common, ticketKeys: this.#tickets.current, ...(pair && { cert: pair.cert, key: pair.key }) });
  }
}
