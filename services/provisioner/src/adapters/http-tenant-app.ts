// The vendor's app over its lifecycle endpoints, with a token that only the platform can make.
import type { ContextIssuer, TenantClaims } from '@burgage/app-kit';
import { BurgageError } from '@burgage/contracts';
import type { TenantApp, TenantSummary } from '../domain/ports.ts';

export interface HttpTenantAppOptions {
  readonly issuer: ContextIssuer;
  /** The audience of tokens: the upstream that the app serves. */
  readonly upstream: string;
  /** Answers 200 when the app serves the tenant that the context names. */
  readonly readyPath: string;
}

const bodyBytesShown = 200;

/** Redirects are never followed: an endpoint is where the platform says, or it is wrong. */
export function createHttpTenantApp({ issuer, upstream, readyPath }: HttpTenantAppOptions): TenantApp {
  async function lifecycle(endpoint: string, method: string, path: string, signal: AbortSignal, body?: object): Promise<Response> {
    const response = await send(endpoint, path, {
      method,
      signal,
      headers: { authorization: `Bearer ${await issuer.platform(upstream)}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (response.ok) return response;
    const said = (await response.text().catch(() => '')).slice(0, bodyBytesShown);
    const code = response.status >= 500 || response.status === 429 ? 'app_unhealthy' : 'app_refused';
    throw new BurgageError(code, {
      message: `The app answered ${method} ${path} with ${response.status}, expected 2xx.`,
      cause: new Error(`the app said: ${said}`),
    });
  }

  const tenantPath = (tenantId: string): string => `/_burgage/tenants/${encodeURIComponent(tenantId)}`;

  return {
    async prepare(endpoint, tenant, signal) {
      await lifecycle(endpoint, 'PUT', tenantPath(tenant.id), signal, { slug: tenant.slug, name: tenant.company, color: tenant.color });
    },
    async remove(endpoint, tenantId, signal) {
      await lifecycle(endpoint, 'DELETE', tenantPath(tenantId), signal);
    },
    async putOwner(endpoint, tenantId, email, signal) {
      await lifecycle(endpoint, 'PUT', `${tenantPath(tenantId)}/owner`, signal, { email });
    },
    async removeOwner(endpoint, tenantId, signal) {
      await lifecycle(endpoint, 'DELETE', `${tenantPath(tenantId)}/owner`, signal);
    },
    async inviteOwner(endpoint, tenantId, signal) {
      const path = `${tenantPath(tenantId)}/owner/invite`;
      const answer: unknown = await (await lifecycle(endpoint, 'POST', path, signal)).json();
      const invite = typeof answer === 'object' && answer !== null && 'path' in answer ? answer.path : undefined;
      if (typeof invite !== 'string' || !/^\/(?!\/)/.test(invite)) {
        throw new BurgageError('app_refused', { message: `The app answered POST ${path} without a path that begins with one slash.` });
      }
      return invite;
    },
    async checkReady(endpoint, tenant, signal) {
      const context = await issuer.tenantContext(contextClaims(tenant), upstream);
      const response = await send(endpoint, readyPath, { method: 'GET', signal, headers: { 'burgage-context': context } });
      await response.body?.cancel();
      if (response.status !== 200) {
        throw new BurgageError('app_unhealthy', {
          message: `The app answered GET ${readyPath} with ${response.status} for this tenant, expected 200.`,
        });
      }
    },
  };
}

/** A context that is only good for asking whether the app is ready: it entitles to nothing. */
function contextClaims(tenant: TenantSummary): TenantClaims {
  return {
    sub: tenant.id,
    slug: tenant.slug,
    name: tenant.company,
    color: tenant.color,
    plan: tenant.plan,
    isolation: tenant.isolation,
    limits: { requestsPerSecond: 0, concurrency: 0, bodyBytesMax: 0 },
    features: [],
    ev: 0,
  };
}

async function send(endpoint: string, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`http://${endpoint}${path}`, { ...init, redirect: 'manual' });
  } catch (error) {
    if (init.signal?.aborted)
      throw new BurgageError('deadline_exceeded', { message: `The app did not answer ${init.method} ${path} in time.`, cause: error });
    throw new BurgageError('upstream_unreachable', { message: `The app does not accept connections at ${endpoint}.`, cause: error });
  }
}
