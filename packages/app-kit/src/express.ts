// app-kit for Express: the tenant of a request as `req.tenant`, and the lifecycle routes.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import type { Request as ExpressRequest, RequestHandler } from 'express';
import { contextHeader, type TenantContext } from './claims.ts';
import { createLifecycle, fenceHeader, type LifecycleOptions } from './lifecycle.ts';
import { problemBody, problemHeaders } from './problem.ts';
import type { ContextVerifier } from './verifier.ts';

declare global {
  namespace Express {
    interface Request {
      /** Set by `tenantContext`. */
      tenant?: TenantContext;
    }
  }
}

/** Lets a request on only with a verified tenant context; otherwise answers 401, 421 or 503 in application/problem+json. */
export function tenantContext(verifier: ContextVerifier): RequestHandler {
  return async (request, response, next) => {
    try {
      request.tenant = await verifier.tenant(request.get(contextHeader));
    } catch (error) {
      const body = problemBody(error);
      response.status(body.status).set(problemHeaders(error)).send(JSON.stringify(body));
      return;
    }
    next();
  };
}

/** Mount it before every body parser: `app.all('/_burgage/*path', lifecycleRoutes({ verifier, data, owners }))`. */
export function lifecycleRoutes(options: LifecycleOptions): RequestHandler {
  const answer = createLifecycle(options);
  return async (request, response) => {
    const answered = await answer(fetchRequest(request));
    response.status(answered.status);
    for (const [name, value] of answered.headers) response.set(name, value);
    if (!answered.body) return void response.end();
    // A stream that breaks off has ended the connection: whoever reads it finds out there.
    await pipeline(Readable.fromWeb(answered.body as NodeReadableStream<Uint8Array>), response).catch(() => undefined);
  };
}

/** What the lifecycle routes read. */
const forwardedHeaders = ['authorization', fenceHeader];
const isSent = (header: readonly [name: string, value: string | undefined]): header is readonly [string, string] => header[1] !== undefined;

function fetchRequest(request: ExpressRequest): Request {
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  return new Request(new URL(request.originalUrl, 'http://app'), {
    method: request.method,
    headers: Object.fromEntries(forwardedHeaders.map((name) => [name, request.get(name)] as const).filter(isSent)),
    ...(hasBody && { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: 'half' }),
  });
}
