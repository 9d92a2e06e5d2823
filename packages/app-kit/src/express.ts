// app-kit for Express: the tenant of a request as `req.tenant`, and the lifecycle routes.
import { Readable } from 'node:stream';
import type { Request as ExpressRequest, RequestHandler } from 'express';
import { contextHeader, type TenantContext } from './claims.ts';
import { createLifecycle, type LifecycleOptions } from './lifecycle.ts';
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
    response.end(Buffer.from(await answered.arrayBuffer()));
  };
}

function fetchRequest(request: ExpressRequest): Request {
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  return new Request(new URL(request.originalUrl, 'http://app'), {
    method: request.method,
    headers: { authorization: request.get('authorization') ?? '' },
    ...(hasBody && { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: 'half' }),
  });
}
