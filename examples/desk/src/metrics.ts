// Every metric of desk. Labels are bounded: routes as patterns, never addresses, and no tenants.
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface DeskMetrics {
  readonly registry: Registry;
  readonly middleware: MiddlewareHandler;
}

export function createDeskMetrics(): DeskMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'desk_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'desk_request_duration_seconds',
    help: 'Time from the request to its answer.',
    labelNames: ['route'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
  return {
    registry,
    async middleware(c, next) {
      const startedAtMs = performance.now();
      await next();
      const route = routePath(c);
      requests.inc({ method: knownMethods.has(c.req.method) ? c.req.method : 'other', route, status: String(c.res.status) });
      seconds.observe({ route }, (performance.now() - startedAtMs) / 1_000);
    },
  };
}
