// app-kit for Hono: the tenant of a request as `c.get('tenant')`, and the lifecycle routes.
import type { MiddlewareHandler } from 'hono';
import { contextHeader, type TenantContext } from './claims.ts';
import { createLifecycle, type LifecycleOptions } from './lifecycle.ts';
import { problemResponse } from './problem.ts';
import type { ContextVerifier } from './verifier.ts';

/** For `new Hono<TenantEnv>()`. */
export interface TenantEnv {
  Variables: { tenant: TenantContext };
}

/** Lets a request on only with a verified tenant context; otherwise answers 401, 421 or 503 in application/problem+json. */
export function tenantContext(verifier: ContextVerifier): MiddlewareHandler<TenantEnv> {
  return async (c, next) => {
    try {
      c.set('tenant', await verifier.tenant(c.req.header(contextHeader)));
    } catch (error) {
      return problemResponse(error);
    }
    await next();
  };
}

/** Mount it before everything else: `app.all('/_burgage/*', lifecycleRoutes({ verifier, data, owners }))`. */
export function lifecycleRoutes(options: LifecycleOptions): MiddlewareHandler {
  const answer = createLifecycle(options);
  return (c) => answer(c.req.raw);
}
