// The oracle engine: node:http in, undici out. Correct before fast; what it cannot see in node:http's parser, it cannot refuse.
import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BurgageError } from '@burgage/contracts';
import type { Exchange } from '../../domain/exchange.ts';
import { headerValue } from '../../domain/forward-headers.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import type { CreateEngine, Engine, EngineOptions } from '../../engine/engine.ts';
import { formatAddress, listen } from '../../engine/listen.ts';
import { Pools } from './pools.ts';
import { headLines, peerOf, RawHead } from './raw-head.ts';
import { Relay, type RelayParts } from './relay.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import { Turns } from './turns.ts';

export const createOracle: CreateEngine = (options) => new Oracle(options);

class Oracle implements Engine {
  readonly name = 'engine';
  readonly #options: EngineOptions;
  readonly #pools: Pools;
  readonly #relays = new Set<Relay>();
  readonly #tunnels = new Map<Tunnel, Exchange>();
  /** The request that a connection carries now. */
  readonly #relayOf = new WeakMap<Duplex, Relay>();
  readonly #turnsOf = new WeakMap<Socket, Turns>();
  readonly #parts: RelayParts;
  #server: Server | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: EngineOptions) {
    const { traffic, timeouts, limits, logger } = options;
    this.#options = options;
    this.#pools = new Pools(timeouts, limits);
    this.#parts = {
      traffic,
      timeouts,
      limits,
      logger,
      pools: this.#pools,
      onTunnel: (relay, upstream, rawHeaders) => this.#tunnel(relay, upstream, rawHeaders),
    };
  }

  async start(): Promise<void> {
    const { traffic, timeouts, limits, host, port, metrics } = this.#options;
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
        const read = traffic.read(new RawHead(request));
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
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#guard(request.socket, () => this.#serve(request, response));
    server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve);
    server.on('upgrade', (request, socket, rest) => this.#guard(request.socket, () => this.#serveUpgrade(request, socket, rest)));
    server.on('connect', (request, socket) => this.#guard(request.socket, () => this.#refuseConnect(request, socket)));
    server.on('clientError', (error, socket) => this.#guard(socket, () => this.#refuseUnparsed(error, socket)));
    await listen(server, host, port);
    server.on('error', (error) => this.#options.logger.error({ err: error }, 'connection not accepted'));
    this.#server = server;
  }

  address(): string {
    const bound = this.#server?.address();
    if (bound === null || bound === undefined || typeof bound === 'string') {
      throw new BurgageError('internal', { message: 'The engine is not started.' });
    }
    return formatAddress(bound);
  }

  httpsAddress(): undefined {}

  handOver(): Promise<void> {
    return this.drain();
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

  cutTunnels(isServed: (exchange: Exchange) => boolean): void {
    for (const [tunnel, exchange] of this.#tunnels) if (!isServed(exchange)) tunnel.cut();
  }

  #cut(): void {
    for (const relay of this.#relays) relay.abort('cut');
    for (const tunnel of this.#tunnels.keys()) tunnel.cut();
  }

  /** What fails within an event costs the connection that it came on, never the process. */
  #guard(socket: Duplex, handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'connection dropped: an event failed within the gateway');
      socket.destroy();
    }
  }

  #turns(socket: Socket): Turns {
    let turns = this.#turnsOf.get(socket);
    if (turns === undefined) {
      turns = new Turns(socket);
      this.#turnsOf.set(socket, turns);
    }
    return turns;
  }

  #serve(request: IncomingMessage, response: ServerResponse, canTunnel = false): void {
    const { socket } = request;
    const head = new RawHead(request);
    const read = this.#options.traffic.read(head);
    const turns = this.#turns(socket);
    const begin = () => {
      if (canTunnel) response.assignSocket(socket);
      this.#begin(turns, new Relay(this.#parts, { head, read, request, response, canTunnel }));
    };
    // Whoever is wrong about one head may be wrong about where the next begins.
    turns.take(begin, !read.ok);
  }

  #begin(turns: Turns, relay: Relay): void {
    const { request, response, exchange } = relay;
    const { socket } = request;
    this.#relays.add(relay);
    this.#relayOf.set(socket, relay);
    response.once('close', () => {
      this.#relays.delete(relay);
      if (this.#relayOf.get(socket) === relay) this.#relayOf.delete(socket);
      this.#guard(socket, () => turns.next());
      this.#onIdle?.();
    });
    response.on('timeout', () => relay.timeOut());
    if (turns.isLast) response.shouldKeepAlive = false;
    relay.run().catch((error: unknown) => {
      this.#options.logger.error({ err: error, requestId: exchange.requestId }, 'request failed within the gateway');
      this.#guard(socket, () => relay.refuse(refuse('internal', { close: true })));
    });
  }

  /** A request whose connection node:http has let go of; its answers go through a response of its own. */
  #serveUpgrade(request: IncomingMessage, stream: Duplex, rest: Buffer): void {
    const { socket } = request;
    this.#adopt(socket, stream, rest);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.once('finish', () => socket.destroySoon());
    this.#serve(request, response, true);
  }

  #refuseConnect(request: IncomingMessage, stream: Duplex): void {
    const { socket } = request;
    this.#adopt(socket, stream, Buffer.alloc(0));
    const head = new RawHead(request);
    const read = this.#options.traffic.read(head);
    this.#turns(socket).take(() => {
      this.#answerRaw(socket, head, read.ok ? refuse('bad_request', { close: true, detail: 'CONNECT is not served' }) : read.error);
    }, true);
  }

  /** Does for a connection what node:http no longer does, for the answer that is being given too. */
  #adopt(socket: Socket, stream: Duplex, rest: Buffer): void {
    socket.on('error', () => {});
    stream.on('error', () => {});
    if (rest.length > 0) socket.unshift(rest);
    socket.on('drain', () => this.#relayOf.get(socket)?.response.emit('drain'));
    socket.setTimeout(this.#options.timeouts.streamIdleMs, () => this.#relayOf.get(socket)?.timeOut());
    // Read ahead, as far as the buffer goes: a client that leaves is noticed.
    socket.on('end', () => this.#relayOf.get(socket)?.abort('client_gone'));
    socket.read(0);
  }

  #tunnel(relay: Relay, upstream: Duplex, rawHeaders: string[]): void {
    const { traffic, timeouts } = this.#options;
    const { exchange, response, request } = relay;
    const client = request.socket;
    this.#relays.delete(relay);
    this.#relayOf.delete(client);
    response.detachSocket(client);
    const protocol = headerValue(rawHeaders, 'upgrade') ?? '';
    client.write(`HTTP/1.1 101 Switching Protocols\r\n${headLines(traffic.upgradeHead(exchange, rawHeaders, protocol))}\r\n`, 'latin1');
    const tunnel = openTunnel(client, upstream, timeouts.streamIdleMs, ({ bytesIn, bytesOut, reason }) => {
      this.#tunnels.delete(tunnel);
      exchange.bytesIn += bytesIn;
      exchange.bytesOut += bytesOut;
      traffic.finish(exchange, reason);
      this.#onIdle?.();
    });
    this.#tunnels.set(tunnel, exchange);
  }

  /** What node:http's parser refused before there was a request. */
  #refuseUnparsed(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const refusal = refuse(unparsedCode(error.code), { close: true, detail: unparsedDetail(error) });
    const relay = this.#relayOf.get(socket);
    if (relay !== undefined) {
      this.#turnsOf.get(relay.request.socket)?.close();
      relay.refuseRest(refusal);
      return;
    }
    // The server gives this event its own sockets, which are no other kind.
    this.#answerRaw(socket as Socket, new RawHead({}), refusal);
  }

  /** The gateway's own answer where node:http has no response for it; the last on its connection. */
  #answerRaw(socket: Socket, head: RawHead, refusal: Refusal): void {
    const { traffic } = this.#options;
    const exchange = traffic.open(head, peerOf(socket));
    const { status, headers, body } = traffic.answer(exchange, refusal);
    exchange.bytesOut = body.length;
    traffic.finish(exchange, 'refused');
    const lines = ['Connection', 'close', ...headers];
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${headLines(lines)}\r\n${body}`, () => socket.destroy());
  }
}

function unparsedCode(code: string | undefined): 'bad_request' | 'head_too_large' | 'request_timeout' {
  if (code === 'HPE_HEADER_OVERFLOW') return 'head_too_large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  return 'bad_request';
}

function unparsedDetail(error: NodeJS.ErrnoException): string {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}
