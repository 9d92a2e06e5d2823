// The vendor's app over its lifecycle endpoints, with a token that only the platform can make.
import { type ContextIssuer, digestOfArchive, type TenantClaims } from '@burgage/app-kit';
import { BurgageError } from '@burgage/contracts';
import type { AppAddress, Digest, Fence, SeatHolding, TenantApp, TenantSummary } from '../domain/ports.ts';

export interface HttpTenantAppOptions {
  readonly issuer: ContextIssuer;
  /** Answers 200 when the app serves the tenant that the context names. */
  readonly readyPath: string;
}

const bodyBytesShown = 200;

interface Call {
  readonly at: Pick<AppAddress, 'upstream' | 'address'>;
  readonly method: string;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly fence?: Fence;
  readonly body?: object;
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** Redirects are never followed: an endpoint is where the platform says, or it is wrong. */
export function createHttpTenantApp({ issuer, readyPath }: HttpTenantAppOptions): TenantApp {
  async function lifecycle({ at, method, path, signal, fence, body, stream }: Call): Promise<Response> {
    const response = await send(at.address, path, {
      method,
      signal,
      headers: {
        authorization: `Bearer ${await issuer.platform(at.upstream)}`,
        ...(fence ? { 'burgage-fence': String(fence.token) } : {}),
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(stream ? { 'content-type': 'application/x-ndjson' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(stream ? { body: ReadableStream.from(stream), duplex: 'half' } : {}),
    });
    if (response.ok) return response;
    throw await refusalOf(response, method, path);
  }

  const path = (at: AppAddress, tenantId: string, rest = ''): string =>
    `/_burgage/tenants/${encodeURIComponent(tenantId)}${rest}?place=${at.place}`;

  async function digestIn(response: Response, call: string): Promise<Digest> {
    const answer: unknown = await response.json();
    if (typeof answer === 'object' && answer !== null && 'tables' in answer && typeof answer.tables === 'object')
      return answer.tables as Digest;
    throw new BurgageError('app_refused', { message: `The app answered ${call} without tables.` });
  }

  return {
    async prepare(at, tenant, fence, signal) {
      const body = { slug: tenant.slug, name: tenant.company, color: tenant.color };
      await lifecycle({ at, method: 'PUT', path: path(at, tenant.id), fence, signal, body });
    },
    async remove(at, tenantId, fence, signal) {
      await lifecycle({ at, method: 'DELETE', path: path(at, tenantId), fence, signal });
    },
    async putOwner(at, tenantId, email, fence, signal) {
      await lifecycle({ at, method: 'PUT', path: path(at, tenantId, '/owner'), fence, signal, body: { email } });
    },
    async removeOwner(at, tenantId, fence, signal) {
      await lifecycle({ at, method: 'DELETE', path: path(at, tenantId, '/owner'), fence, signal });
    },
    async inviteOwner(at, tenantId, fence, signal) {
      const invited = path(at, tenantId, '/owner/invite');
      const answer: unknown = await (await lifecycle({ at, method: 'POST', path: invited, fence, signal })).json();
      const invite = typeof answer === 'object' && answer !== null && 'path' in answer ? answer.path : undefined;
      if (typeof invite !== 'string' || !/^\/(?!\/)/.test(invite)) {
        throw new BurgageError('app_refused', { message: `The app answered POST ${invited} without a path that begins with one slash.` });
      }
      return invite;
    },
    async checkReady(at, tenant, signal) {
      const context = await issuer.tenantContext(contextClaims(tenant), at.upstream);
      const response = await send(at.address, readyPath, { method: 'GET', signal, headers: { 'burgage-context': context } });
      await response.body?.cancel();
      if (response.status !== 200) {
        throw new BurgageError('app_unhealthy', {
          message: `The app answered GET ${readyPath} with ${response.status} for this tenant, expected 200.`,
        });
      }
    },
    async freeze(at, tenantId, reason, fence, signal) {
      await lifecycle({ at, method: 'PUT', path: path(at, tenantId, '/frozen'), fence, signal, body: { reason } });
    },
    async thaw(at, tenantId, fence, signal) {
      await lifecycle({ at, method: 'DELETE', path: path(at, tenantId, '/frozen'), fence, signal });
    },
    async digest(at, tenantId, signal) {
      const asked = path(at, tenantId, '/digest');
      return await digestIn(await lifecycle({ at, method: 'GET', path: asked, signal }), `GET ${asked}`);
    },
    async archive(at, tenantId, signal) {
      const response = await lifecycle({ at, method: 'GET', path: path(at, tenantId, '/archive'), signal });
      if (!response.body) throw new BurgageError('app_refused', { message: 'The app answered with an empty archive.' });
      return bodyOf(response, at.address);
    },
    async restore(at, tenantId, archive, fence, signal) {
      const asked = path(at, tenantId, '/archive');
      return await digestIn(await lifecycle({ at, method: 'PUT', path: asked, fence, signal, stream: archive }), `PUT ${asked}`);
    },
    async digestOfArchive(archive) {
      try {
        return (await digestOfArchive(archive)).tables;
      } catch (cause) {
        if (cause instanceof BurgageError) throw cause;
        throw new BurgageError('data_corrupt', {
          message: `The archive does not read back: ${cause instanceof Error ? cause.message : cause}`,
          cause,
        });
      }
    },
    async *holdings(at, signal, after = '') {
      let next: string | undefined = after;
      do {
        const path: string = `/_burgage/places?after=${encodeURIComponent(next)}`;
        const response = await lifecycle({ at, method: 'GET', path, signal });
        const page = (await response.json()) as { readonly places: readonly SeatHolding[]; readonly next?: string };
        yield* page.places;
        next = page.next;
      } while (next !== undefined);
    },
  };
}

/** An answer of the app that is no success. It says in problem+json where another attempt has come before, or its disk is full. */
async function refusalOf(response: Response, method: string, path: string): Promise<BurgageError> {
  const said = (await response.text().catch(() => '')).slice(0, 16_384);
  const problem = problemIn(said);
  if (problem?.code === 'fenced') {
    return new BurgageError('fenced', {
      message: `The app has seen a later attempt than this: ${method} ${path}.`,
      metadata: { seen: problem.seen },
    });
  }
  if (problem?.code === 'disk_full')
    return new BurgageError('disk_full', { message: `The app has no room left on its disk: ${method} ${path}.` });
  const code = response.status >= 500 || response.status === 429 ? 'app_unhealthy' : 'app_refused';
  return new BurgageError(code, {
    message: `The app answered ${method} ${path} with ${response.status}, expected 2xx.`,
    cause: new Error(`the app said: ${said.slice(0, bodyBytesShown)}`),
  });
}

function problemIn(text: string): { readonly code: string; readonly seen: string } | undefined {
  try {
    const problem = JSON.parse(text) as { readonly code?: unknown; readonly metadata?: { readonly seen?: unknown } } | null;
    return problem && typeof problem.code === 'string' ? { code: problem.code, seen: String(problem.metadata?.seen ?? 0) } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A stream that ends too early is the app's failure, and may pass. The whole response is kept until somebody reads: fetch
 * cancels the body of one that is garbage, and what is left reads as if it had come to its end.
 */
async function* bodyOf(response: Response, address: string): AsyncIterable<Uint8Array> {
  try {
    yield* response.body ?? [];
  } catch (cause) {
    throw new BurgageError('upstream_unreachable', { message: `The app at ${address} broke off its answer.`, cause });
  }
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

async function send(endpoint: string, path: string, init: RequestInit & { readonly duplex?: 'half' }): Promise<Response> {
  try {
    return await fetch(`http://${endpoint}${path}`, { ...init, redirect: 'manual' } as RequestInit);
  } catch (error) {
    if (init.signal?.aborted)
      throw new BurgageError('deadline_exceeded', { message: `The app did not answer ${init.method} ${path} in time.`, cause: error });
    throw new BurgageError('upstream_unreachable', { message: `The app does not accept connections at ${endpoint}.`, cause: error });
  }
}
