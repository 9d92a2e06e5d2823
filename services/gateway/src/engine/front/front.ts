// The doors of an engine: listens, learns who is at the other end of each connection, and hands it over.
import { createServer, isIPv6, type Server, type ServerOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { BurgageError } from '@burgage/contracts';
import { type Peer, unheard } from '../../domain/exchange.ts';
import type { ProxyHeaderFailure } from '../../metrics.ts';
import type { EngineOptions } from '../engine.ts';
import { formatAddress, listen, type PortField } from '../listen.ts';
import { type Member, Members } from '../members.ts';
import { askingExpiresMs, ClientBound, type Leaver } from './client-bound.ts';
import { readProxyHeader } from './proxy-header.ts';
import { serverOf } from './server-name.ts';
import { TlsFront } from './tls-front.ts';

export interface FrontOptions extends EngineOptions {
  /** What is spoken over TLS, in order of preference. */
  readonly protocols: readonly string[];
  /** Takes a connection on which nothing has been read. */
  readonly take: (socket: Socket, peer: Peer) => void;
  /** What was taken, as far as it may have to make room for others. */
  readonly taken: () => Iterable<Leaver>;
}

/** A connection that has not been handed over yet. */
interface Greeting extends Member {
  readonly socket: Socket;
  /** Of the client, as far as it is known. */
  readonly address: string;
  readonly beganMs: number;
  /** One that goes on for too long is ended here; TLS looks after its own. */
  readonly isHandshake: boolean;
}

/** Of an error its connection is told by its end; nothing that the connection has sent hangs on this. */
const ignored = (): void => {};
/** Of an IPv4 address as IPv6 has it. */
const mappedPrefix = '::ffff:';

/** True where the connection has been handed over, false where it goes on greeting. */
type Take = (socket: Socket, address: string) => boolean;

export class Front {
  readonly #options: FrontOptions;
  readonly #tls: TlsFront | undefined;
  readonly #bound: ClientBound;
  readonly #servers: Server[] = [];
  readonly #greetings = new Members<Greeting>();
  #onGreeted: (() => void) | undefined;
  #closed: Promise<unknown> | undefined;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#bound = new ClientBound({ ...options, connectionsMax: options.limits.clientConnectionsMax, leavers: () => this.#leavers() });
    if (options.https !== undefined) {
      this.#tls = new TlsFront({ ...options, certificates: options.https.certificates });
    }
  }

  /** @throws BurgageError as `listen`. */
  async start(): Promise<void> {
    const { host, port, https } = this.#options;
    try {
      await this.#listen(host, port, 'port', { allowHalfOpen: true }, (socket, address) => this.#handOver(socket, address));
      if (https === undefined) return;
      await this.#tls?.start();
      // In a handshake the end of one direction is the end.
      await this.#listen(host, https.port, 'httpsPort', { noDelay: true }, (socket, address) => this.#secure(socket, address));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  address(): string {
    return this.#addressOf(0) ?? notStarted();
  }

  httpsAddress(): string | undefined {
    return this.#addressOf(1);
  }

  /** How many have connected and not been handed over. */
  get greeting(): number {
    return this.#greetings.size;
  }

  /** Stops accepting; resolves when the last connection has ended. */
  async close(): Promise<void> {
    this.#closed ??= Promise.all(this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    await this.#closed;
  }

  /** Calls back whenever a greeting has come to its end. */
  onGreeted(callback: () => void): void {
    this.#onGreeted = callback;
  }

  /** Ends all that have not been handed over. */
  cut(): void {
    for (const { socket } of this.#greetings) socket.destroy();
  }

  /** Called now and then. */
  check(nowMs: number): void {
    this.#tls?.check();
    this.#bound.check(nowMs);
    for (const { socket, beganMs, isHandshake } of this.#greetings) {
      if (isHandshake || nowMs - beganMs < this.#options.timeouts.headMs) continue;
      this.#options.metrics.proxyHeaderFailures.of('timeout').inc();
      socket.destroy();
    }
  }

  async #listen(host: string, port: number, field: PortField, options: ServerOpts, take: Take): Promise<void> {
    const { logger, proxyProtocolFrom, reusePort = false } = this.#options;
    const server = createServer(options, (socket) => {
      try {
        if (!this.#bound.admit(socket)) return;
        const address = addressOf(socket);
        if (proxyProtocolFrom?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) this.#readProxyHeader(socket, address, take);
        else take(socket, address);
      } catch (error) {
        logger.error({ err: error }, 'connection dropped: it could not be taken');
        socket.destroy();
      }
    });
    await listen(server, host, port, field, reusePort);
    server.on('error', (error) => logger.error({ err: error }, 'connection not accepted'));
    this.#servers.push(server);
  }

  *#leavers(): Iterable<Leaver> {
    yield* this.#options.taken();
    const { clock, timeouts } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const { socket, beganMs, joined } of this.#greetings)
      yield { expiresMs: askingExpiresMs(beganMs, nowMs, timeouts), joined, cut: () => socket.destroy() };
  }

  #addressOf(index: number): string | undefined {
    const bound = this.#servers[index]?.address();
    return bound === null || bound === undefined || typeof bound === 'string' ? undefined : formatAddress(bound);
  }

  #handOver(socket: Socket, address: string): boolean {
    this.#options.take(socket, { address, scheme: 'http', serverName: undefined });
    return true;
  }

  #secure(socket: Socket, address: string): boolean {
    const greeting = this.#greet(socket, address, true);
    this.#tls?.take(socket, (secure) => this.#secured(secure, greeting));
    return false;
  }

  /** The peer says first whom it speaks for; what follows is that client's. */
  #readProxyHeader(socket: Socket, ownAddress: string, take: Take): void {
    const { metrics, logger } = this.#options;
    const greeting = this.#greet(socket, ownAddress, false);
    let bytes: Buffer = Buffer.alloc(0);
    const fail = (reason: ProxyHeaderFailure) => {
      metrics.proxyHeaderFailures.of(reason).inc();
      socket.destroy();
    };
    const onGone = () => fail('client_gone');
    const onData = (piece: Buffer) => {
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
      const header = readProxyHeader(bytes);
      if (header.kind === 'incomplete') return;
      if (header.kind === 'refused') {
        fail('malformed');
        return;
      }
      socket.off('data', onData).off('end', onGone).off('error', onGone).pause();
      if (header.end < bytes.length) socket.unshift(bytes.subarray(header.end));
      try {
        this.#greetings.delete(greeting);
        // TLS reads what is below it as it likes.
        if (!take(socket, header.address ?? ownAddress)) return;
        socket.resume();
        this.#onGreeted?.();
      } catch (error) {
        logger.error({ err: error }, 'connection dropped: it could not be taken');
        socket.destroy();
      }
    };
    socket.on('error', ignored).on('error', onGone).on('end', onGone).on('data', onData);
  }

  #greet(socket: Socket, address: string, isHandshake: boolean): Greeting {
    const beganMs = this.#options.clock.monotonicMs();
    const greeting: Greeting = { socket, address, beganMs, isHandshake, place: -1, joined: 0 };
    this.#greetings.add(greeting);
    socket.on('close', () => this.#greeted(greeting));
    return greeting;
  }

  #secured(socket: TLSSocket, greeting: Greeting): void {
    socket.allowHalfOpen = true;
    this.#options.take(socket, { address: greeting.address, scheme: 'https', serverName: serverNameOf(socket) });
    this.#greeted(greeting);
  }

  #greeted(greeting: Greeting): void {
    if (greeting.place < 0) return;
    this.#greetings.delete(greeting);
    this.#onGreeted?.();
  }
}

function notStarted(): never {
  throw new BurgageError('internal', { message: 'The engine is not started.' });
}

/** An IPv4 client of a socket that listens on both is written as IPv4. */
function addressOf(socket: Socket): string {
  const { remoteAddress = '' } = socket;
  return remoteAddress.startsWith(mappedPrefix) ? remoteAddress.slice(mappedPrefix.length) : remoteAddress;
}

/** The server that the client asked for; where it resumes a session of TLS 1.2, OpenSSL tells no name. */
function serverNameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket;
  if (typeof servername !== 'string' || servername === '')
    return socket.isSessionReused() && socket.getProtocol() === 'TLSv1.2' ? unheard : undefined;
  return serverOf(servername) ?? undefined;
}
