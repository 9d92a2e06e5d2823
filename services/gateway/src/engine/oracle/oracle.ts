// The oracle engine: node:http in, undici out. Correct before fast; what it cannot see in node:http's parser, it cannot refuse.
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BurgageError } from '@burgage/contracts';
import type { Exchange, Peer } from '../../domain/exchange.ts';
import { headerValue } from '../../domain/forward-headers.ts';
import { refuse } from '../../domain/refusal.ts';
import { type RequestHead, readHead } from '../../domain/request-head.ts';
import type { CreateEngine, Engine, EngineOptions } from '../engine.ts';
import { Pools } from './pools.ts';
import { Relay, type RelayParts } from './relay.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

export const createOracle: CreateEngine = (options) => new Oracle(options);

class Oracle implements Engine {
  readonly name = 'engine';
  readonly #options: EngineOptions;
  readonly #pools: Pools;
  readonly #relays = new Set<Relay>();
  readonly #tunnels = new Set<Tunnel>();
  /** The request that a connection carries now. */
  readonly #relayOf = new WeakMap<Duplex, Relay>();
  readonly #parts: RelayParts;
  #server: Server | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: EngineOptions) {
    const { traffic, timeouts, limits } = options;
    this.#options = options;
    this.#pools = new Pools(timeouts, limits);
    this.#parts = {
      traffic,
      timeouts,
      limits,
      pools: this.#pools,
      onTunnel: (relay, upstream, rawHeaders) => this.#tunnel(relay, upstream, rawHeaders),
    };
  }

  async start(): Promise<void> {
    const { timeouts, limits, host, port, metrics } = this.#options;
    const server = createServer({
      maxHeaderSize: limits.headBytesMax,
      headersTimeout: timeouts.headMs,
      // A long upload is not a slow one: its pauses are bounded instead.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(Math.ceil(timeouts.headMs / 4), 1_000),
      keepAliveTimeout: timeouts.keepAliveMs,
      // Host is judged with everything else, and answered as everything else.
      requireHostHeader: false,
      // Only what is read as an upgrade leaves node:http's hands; all else stays an ordinary request.
      shouldUpgradeCallback: (request) => {
        const read = readHead(headOf(request), limits);
        return read.ok && read.value.upgrade !== undefined;
      },
    });
    // node:http would drop lines beyond its bound without a word; ours are counted and refused.
    server.maxHeadersCount = 0;
    server.timeout = timeouts.streamIdleMs;
    server.on('connection', (socket) => {
      metrics.connections.inc();
      socket.once('close', () => metrics.connections.dec());
    });
    server.on('request', (request, response) => this.#serve(request, response));
    server.on('checkContinue', (request, response) => this.#serve(request, response));
    server.on('checkExpectation', (request, response) => this.#serve(request, response));
    server.on('upgrade', (request, socket, rest) => this.#serveUpgrade(request, socket, rest));
    server.on('connect', (request, socket) => this.#serveUpgrade(request, socket, Buffer.alloc(0)));
    server.on('clientError', (error, socket) => this.#refuseUnparsed(error, socket));
    await listen(server, host, port);
    this.#server = server;
  }

  address(): string {
    const bound = this.#server?.address();
    if (bound === null || bound === undefined || typeof bound === 'string') {
      throw new BurgageError('internal', { message: 'The engine is not started.' });
    }
    return formatAddress(bound);
  }

  async drain(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#options.traffic.startDraining();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.timeouts.drainMs);
      this.#onIdle = () => {
        if (this.#relays.size + this.#tunnels.size > 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onIdle();
    });
    this.#cut();
    server.closeAllConnections();
    await closed;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#cut();
    const closed = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : Promise.resolve();
    server.closeAllConnections();
    await closed;
    await this.#pools.close();
  }

  forget(endpoint: string): void {
    this.#pools.forget(endpoint);
  }

  #cut(): void {
    for (const relay of this.#relays) relay.abort('cut');
    for (const tunnel of this.#tunnels) tunnel.cut();
  }

  #serve(request: IncomingMessage, response: ServerResponse, canTunnel = false): void {
    const { traffic, logger } = this.#options;
    const exchange = traffic.open(headOf(request), peerOf(request.socket));
    const relay = new Relay(this.#parts, exchange, request, response, canTunnel);
    const { socket } = request;
    this.#relays.add(relay);
    this.#relayOf.set(socket, relay);
    response.once('close', () => {
      this.#relays.delete(relay);
      if (this.#relayOf.get(socket) === relay) this.#relayOf.delete(socket);
      this.#onIdle?.();
    });
    response.on('timeout', () => relay.timeOut());
    relay.run().catch((error: unknown) => {
      logger.error({ err: error, requestId: exchange.requestId }, 'request failed within the gateway');
      relay.refuse(refuse('internal', { close: true }));
    });
  }

  /** A request whose connection node:http has let go of; its answers go through a response of its own. */
  #serveUpgrade(request: IncomingMessage, socket: Duplex, rest: Buffer): void {
    if (rest.length > 0) socket.unshift(rest);
    socket.on('error', () => {});
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // The server gives this event its own sockets, which are no other kind.
    response.assignSocket(socket as Socket);
    response.once('finish', () => (socket as Socket).destroySoon());
    this.#serve(request, response, true);
  }

  #tunnel(relay: Relay, upstream: Duplex, rawHeaders: string[]): void {
    const { traffic, timeouts } = this.#options;
    const { exchange, response, request } = relay;
    const client = request.socket;
    this.#relays.delete(relay);
    response.detachSocket(client);
    const protocol = headerValue(rawHeaders, 'upgrade') ?? '';
    client.write(rawHead(traffic.upgradeHead(exchange, rawHeaders, protocol)), 'latin1');
    const tunnel = openTunnel(client, upstream, timeouts.streamIdleMs, ({ bytesIn, bytesOut, reason }) => {
      this.#tunnels.delete(tunnel);
      exchange.bytesIn += bytesIn;
      exchange.bytesOut += bytesOut;
      traffic.finish(exchange, reason);
      this.#onIdle?.();
    });
    this.#tunnels.add(tunnel);
  }

  /** What node:http's parser refused before there was a request. */
  #refuseUnparsed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const { traffic } = this.#options;
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const refusal = refuse(unparsedCode(error.code), { close: true, detail: unparsedDetail(error) });
    const relay = this.#relayOf.get(socket);
    if (relay !== undefined) {
      relay.refuseRest(refusal);
      return;
    }
    const exchange: Exchange = traffic.open({ method: '', target: '', httpVersion: '1.1', rawHeaders: [] }, peerOf(socket as Socket));
    const { status, headers, body } = traffic.answer(exchange, refusal);
    exchange.bytesOut = body.length;
    traffic.finish(exchange, 'refused');
    const lines = ['Connection', 'close', ...headers];
    (socket as Socket).end(`HTTP/1.1 ${status} ${reasons[status] ?? 'Refused'}\r\n${headLines(lines)}\r\n${body}`, () => socket.destroy());
  }
}

const reasons: Readonly<Record<number, string>> = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' };

function unparsedCode(code: string | undefined): 'bad_request' | 'head_too_large' | 'request_timeout' {
  if (code === 'HPE_HEADER_OVERFLOW') return 'head_too_large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  return 'bad_request';
}

function unparsedDetail(error: NodeJS.ErrnoException): string {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}

function headOf(request: IncomingMessage): RequestHead {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    httpVersion: request.httpVersion === '1.0' ? '1.0' : '1.1',
    rawHeaders: request.rawHeaders,
  };
}

/** An IPv4 client of a socket that listens on both is written as IPv4. */
function peerOf(socket: Socket): Peer {
  return { address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''), scheme: 'http' };
}

function rawHead(headers: readonly string[]): string {
  return `HTTP/1.1 101 Switching Protocols\r\n${headLines(headers)}\r\n`;
}

function headLines(headers: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < headers.length; i += 2) lines += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return lines;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new BurgageError('port_taken', { message: `${host}:${port} is in use by another program.`, cause: error })
          : new BurgageError('config_invalid', {
              message: `The gateway cannot listen on ${host}:${port} (${error.code ?? error.message}).`,
              cause: error,
            }),
      );
    });
    server.listen({ host, port }, resolve);
  });
}

function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
