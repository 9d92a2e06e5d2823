// The admin port of a process: metrics, health and readiness, and what else its service shows to operators.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asBurgageError, BurgageError, fieldError } from '@burgage/contracts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Component } from './process.ts';
import type { Readiness } from './readiness.ts';

export interface AdminRequest {
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
}

export interface AdminBody {
  readonly status: number;
  /** Text as it is; anything else as JSON. */
  readonly body: unknown;
  /** Default: `text/plain` for text, `application/json` for the rest. */
  readonly contentType?: string;
}

/** An answer that goes on until it ends by itself, its reader leaves, or the server stops: then the signal is aborted. */
export interface AdminStream {
  readonly status: number;
  readonly contentType: string;
  /** Asked for the next text when the last one has been taken. @throws BurgageError where there can be none. */
  readonly stream: (signal: AbortSignal) => AsyncIterable<string>;
}

export type AdminResponse = AdminBody | AdminStream;

export type AdminRouteKey = `${'GET' | 'POST'} /${string}`;
export type AdminRoute = (request: AdminRequest) => Promise<AdminResponse>;

export interface AdminServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly logger: Logger;
  readonly routes?: Readonly<Record<AdminRouteKey, AdminRoute>>;
  /** What `Authorization: Bearer` must carry for `routes`. */
  readonly token?: string;
  /** The keys of those `routes` that need no token. */
  readonly publicRoutes?: readonly AdminRouteKey[];
}

/**
 * Serves /metrics, /healthz (the process lives), /readyz (503 and the reasons while it cannot work) and `routes`.
 * Errors are problem+json (RFC 9457). @throws BurgageError `config_invalid` where a route needs a token and there is none;
 * `start` throws `port_taken` (adminPort).
 */
export function createAdminServer(options: AdminServerOptions): Component & { address(): string } {
  const { host = '127.0.0.1', port, metrics, readiness, logger, token } = options;
  const routes = new Map<string, AdminRoute>(Object.entries(options.routes ?? {}));
  const open = new Set<string>(options.publicRoutes ?? []);
  const guarded = [...routes.keys()].filter((key) => !open.has(key));
  if (guarded.length > 0 && (token === undefined || token === '')) {
    throw new BurgageError('config_invalid', { message: `token: is missing; the admin routes ${guarded.join(', ')} need one` });
  }
  for (const [key, route] of Object.entries(standardRoutes(metrics, readiness))) {
    routes.set(key, route);
    open.add(key);
  }
  const paths = new Set([...routes.keys()].map((key) => key.slice(key.indexOf(' ') + 1)));
  let server: Server | undefined;

  async function answer(request: IncomingMessage): Promise<AdminResponse> {
    const url = parseUrl(request.url ?? '/');
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
    const key = `${method} ${url.pathname}`;
    const route = routes.get(key);
    if (route === undefined) {
      if (!paths.has(url.pathname)) throw new BurgageError('not_found', { message: `There is nothing at ${url.pathname}.` });
      throw new BurgageError('method_not_allowed', {
        message: `${url.pathname} does not take ${request.method}.`,
        metadata: { allow: allowed(url.pathname) },
      });
    }
    if (!open.has(key) && !carriesToken(request.headers.authorization, token)) throw new BurgageError('unauthenticated');
    return route({ url, headers: request.headers });
  }

  function allowed(path: string): string {
    return ['GET', 'POST'].filter((method) => routes.has(`${method} ${path}`)).join(', ');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    try {
      const answered = await answer(request);
      if ('stream' in answered) await sendStream(request, response, answered);
      else send(request, response, answered);
    } catch (error) {
      const known = asBurgageError(error);
      if (response.headersSent) {
        if (!response.destroyed) logger.error({ err: error, path: request.url }, 'admin stream broken off');
        response.destroy();
        return;
      }
      if (known.code === 'internal') logger.error({ err: error, path: request.url }, 'admin request failed');
      if (known.code === 'unauthenticated') response.setHeader('www-authenticate', 'Bearer');
      if (known.metadata.allow !== undefined) response.setHeader('allow', known.metadata.allow);
      send(request, response, problem(known));
    }
  }

  return {
    name: 'admin',
    start: async () => {
      const listening = createServer(
        { requestTimeout: 10_000, headersTimeout: 10_000 },
        (request, response) => void serve(request, response),
      );
      await listen(listening, host, port);
      server = listening;
    },
    stop: async () => {
      const closing = server;
      if (closing === undefined) return;
      server = undefined;
      const closed = new Promise<void>((resolve) => closing.close(() => resolve()));
      closing.closeAllConnections();
      await closed;
    },
    address: () => {
      const bound = server?.address();
      if (bound === null || bound === undefined || typeof bound === 'string')
        throw new BurgageError('internal', { message: 'The admin server is not started.' });
      return formatAddress(bound);
    },
  };
}

function standardRoutes(metrics: Metrics, readiness: Readiness): Record<AdminRouteKey, AdminRoute> {
  return {
    'GET /metrics': async () => ({ status: 200, body: await metrics.registry.metrics(), contentType: metrics.registry.contentType }),
    'GET /healthz': async () => ({ status: 200, body: 'ok\n' }),
    'GET /readyz': async () => {
      const report = readiness.report();
      return { status: report.ready ? 200 : 503, body: report };
    },
  };
}

function parseUrl(target: string): URL {
  const base = 'http://admin';
  if (!target.startsWith('/') || !URL.canParse(base + target))
    throw new BurgageError('bad_request', { message: 'The request target is not a path.' });
  return new URL(base + target);
}

/** Compares digests, so that the time tells nothing about the token. */
function carriesToken(authorization: string | undefined, token: string | undefined): boolean {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (given === undefined || token === undefined) return false;
  return timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(token).digest());
}

function problem(error: BurgageError): AdminBody {
  const { http, sentence, advice } = error.definition;
  const body = {
    type: `urn:burgage:error:${error.code}`,
    title: sentence,
    status: http,
    detail: error.message,
    code: error.code,
    advice,
  };
  return { status: http, body, contentType: 'application/problem+json' };
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, contentType }: AdminBody): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': contentType ?? (typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'),
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

async function sendStream(request: IncomingMessage, response: ServerResponse, { status, contentType, stream }: AdminStream): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const texts = stream(gone.signal);
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  if (request.method === 'HEAD') gone.abort();
  for await (const text of texts) {
    if (gone.signal.aborted) break;
    if (!response.write(text)) await drained(response, gone.signal);
  }
  response.end();
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    response.on('drain', done);
    gone.addEventListener('abort', done, { once: true });
    if (gone.aborted) done();
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? fieldError('port_taken', 'adminPort', `${host}:${port} is in use by another program`, error)
          : fieldError(
              'config_invalid',
              'adminPort',
              `the admin server cannot listen on ${host}:${port} (${error.code ?? error.message})`,
              error,
            ),
      );
    });
    server.listen({ host, port }, resolve);
  });
}

function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
