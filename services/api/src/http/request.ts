// What happens around every request: its id, its trace, its line in the log, its figures, its safe headers.
import { asBurgageError } from '@burgage/contracts';
import { type Context as Ambient, beginSpan, parseTraceparent, runInContext } from '@burgage/runtime';
import { ulid } from '@burgage/tenancy';
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { ApiEnv, ApiPorts } from './env.ts';

/** The most that a request id of somebody else's may be. */
const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/;

/** On every answer that does not set its own: it is data, for nobody else's page and no cache. */
const safeHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * Takes the request id and the trace of the caller over, or makes them; measures and logs the answer. What only reads is
 * given up when its caller goes away; what changes something is not, so that it ends as a whole.
 */
export function aroundRequest({ clock, random, logger, metrics, draining }: ApiPorts): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startMs = clock.monotonicMs();
    const { method, path } = c.req;
    const given = c.req.header('x-request-id');
    const requestId = given !== undefined && requestIdPattern.test(given) ? given : ulid(clock, random);
    c.set('requestId', requestId);
    c.header('x-request-id', requestId);

    const traceparent = c.req.header('traceparent');
    const ambient: Ambient = {
      ...(traceparent !== undefined && parseTraceparent(traceparent) !== undefined ? { traceparent } : {}),
      ...(method === 'GET' || method === 'HEAD' ? { signal: c.req.raw.signal } : {}),
    };
    await runInContext(ambient, async () => {
      const span = beginSpan(`${method} request`, { 'http.request.method': method, 'url.path': path }, 'server');
      await runInContext(span.traceparent === undefined ? {} : { traceparent: span.traceparent }, next);
      span.end(c.error);
    });

    for (const [name, value] of Object.entries(safeHeaders)) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    if (draining.aborted) c.res.headers.set('connection', 'close');
    const status = c.res.status;
    const route = routePath(c, -1);
    const durationMs = clock.monotonicMs() - startMs;
    metrics.requests.inc({ method: knownMethod(method), route, status: String(status) });
    metrics.requestSeconds.observe({ method: knownMethod(method), route }, durationMs / 1000);
    const error = c.error === undefined ? undefined : asBurgageError(c.error);
    const line = {
      requestId,
      method,
      path,
      route,
      status,
      durationMs: Math.round(durationMs * 10) / 10,
      actor: c.get('actor'),
      code: error?.code,
    };
    if (error !== undefined && status >= 500) logger.error({ ...line, err: error }, 'request failed');
    else logger.info(line, 'request');
  };
}

/** A method as a metric may carry it: callers make up names. */
function knownMethod(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other';
}
