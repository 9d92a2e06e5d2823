// The routes under /_burgage through which the platform sets tenants up in an app and takes them down, for any framework.
import { invalidField, ProblemError, problemResponse } from './problem.ts';
import type { TenantData, TenantHandle } from './tenant-data.ts';
import type { ContextVerifier } from './verifier.ts';

/** The first person of a tenant, as the app keeps accounts. Each call gets the tenant's own data only. */
export interface Owners {
  /** The owner's e-mail address, when there is an owner. */
  email(data: TenantHandle): string | undefined;
  /** Makes the account; idempotent for the same address. Throws `already_exists` when another address is the owner. */
  put(data: TenantHandle, email: string): { created: boolean };
  /** A new one-time link to a page on which the owner sets a password, as a path with query. Earlier links stop working. Throws `transition_not_allowed` when there is no owner. */
  invite(data: TenantHandle): { path: string };
  /** Removes the account with all its sessions; nothing when there is none. */
  remove(data: TenantHandle): void;
}

export interface LifecycleOptions {
  readonly verifier: ContextVerifier;
  readonly data: TenantData;
  readonly owners: Owners;
  /** Hears of failures that are not the caller's, before they are answered with 500. */
  readonly onError?: (error: unknown) => void;
}

/** Where all lifecycle routes are. */
export const lifecyclePath = '/_burgage';

const bodyBytesMax = 16 * 1024;

/**
 * Answers every request under `/_burgage`, and asks for the platform's token first:
 *
 *     PUT    /_burgage/tenants/:id               {slug, name, color}  200 {created}
 *     GET    /_burgage/tenants/:id                                    200 {prepared, owner, rows}
 *     DELETE /_burgage/tenants/:id                                    204, also when there is nothing
 *     PUT    /_burgage/tenants/:id/owner         {email}              200 {created}
 *     POST   /_burgage/tenants/:id/owner/invite                       200 {path}
 *     DELETE /_burgage/tenants/:id/owner                              204, also when there is nothing
 *     GET    /_burgage/usage?after=ID                                 200 {tenants: [{tenantId, rows}], next?}
 *
 * Never rejects: errors are answers in application/problem+json.
 */
export function createLifecycle({ verifier, data, owners, onError }: LifecycleOptions): (request: Request) => Promise<Response> {
  const resources: Record<string, Record<string, (tenantId: string, request: Request) => Promise<Response> | Response>> = {
    tenant: {
      GET(tenantId) {
        if (!data.isPrepared(tenantId)) return Response.json({ prepared: false, owner: null, rows: {} });
        return Response.json({ prepared: true, owner: owners.email(data.for(tenantId)) ?? null, rows: data.usage(tenantId).rows });
      },
      async PUT(tenantId, request) {
        const body = await readBody(request);
        return Response.json(
          data.prepare(tenantId, { slug: textField(body, 'slug'), name: textField(body, 'name'), color: textField(body, 'color') }),
        );
      },
      DELETE(tenantId) {
        data.remove(tenantId);
        return new Response(null, { status: 204 });
      },
    },
    owner: {
      async PUT(tenantId, request) {
        const email = textField(await readBody(request), 'email');
        const tenant = preparedTenant(tenantId);
        return Response.json(tenant.transaction(() => owners.put(tenant, email)));
      },
      DELETE(tenantId) {
        if (data.isPrepared(tenantId)) {
          const tenant = data.for(tenantId);
          tenant.transaction(() => owners.remove(tenant));
        }
        return new Response(null, { status: 204 });
      },
    },
    invite: {
      POST(tenantId) {
        const tenant = preparedTenant(tenantId);
        return Response.json(tenant.transaction(() => owners.invite(tenant)));
      },
    },
    usage: {
      GET(_tenantId, request) {
        const ids = data.tenantsAfter(new URL(request.url).searchParams.get('after') ?? '');
        const last = ids.at(-1);
        const goesOn = last !== undefined && data.tenantsAfter(last).length > 0;
        return Response.json({ tenants: ids.map((id) => data.usage(id)), ...(goesOn && { next: last }) });
      },
    },
  };

  /** To the platform, a tenant that it has not prepared is its own mistake and not, as for a visitor, a matter of waiting. */
  function preparedTenant(tenantId: string): TenantHandle {
    if (!data.isPrepared(tenantId))
      throw new ProblemError('transition_not_allowed', {
        message: `The tenant ${tenantId} is not prepared; PUT ${lifecyclePath}/tenants/${tenantId} comes first.`,
      });
    return data.for(tenantId);
  }

  async function answer(request: Request): Promise<Response> {
    await verifier.platform(bearerToken(request));
    const [resource, tenantId] = resourceOf(new URL(request.url).pathname);
    const methods = resources[resource];
    if (!methods) throw new ProblemError('not_found');
    const handler = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
    if (handler) return handler(tenantId, request);
    const refusal = problemResponse(new ProblemError('method_not_allowed'));
    refusal.headers.set('allow', Object.keys(methods).join(', '));
    return refusal;
  }

  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      if (!(error instanceof ProblemError)) onError?.(error);
      return problemResponse(error);
    }
  };
}

function resourceOf(path: string): [resource: string, tenantId: string] {
  if (path === `${lifecyclePath}/usage`) return ['usage', ''];
  // Tenant ids need no escaping, so an escaped one is not a tenant id.
  const match = /^\/_burgage\/tenants\/([A-Za-z0-9_.-]{1,128})(\/owner|\/owner\/invite)?$/.exec(path);
  return match ? [match[2] === undefined ? 'tenant' : (match[2].split('/').at(-1) ?? ''), match[1] ?? ''] : ['', ''];
}

function bearerToken(request: Request): string | undefined {
  return /^Bearer ([^\s]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}

async function readBody(request: Request): Promise<Record<string, unknown>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bodyBytesMax) throw new ProblemError('body_too_large', { message: `The body may have ${bodyBytesMax} bytes.` });
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw new ProblemError('malformed_body', { message: 'The body is not JSON.', cause });
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ProblemError('malformed_body', { message: 'The body must be a JSON object.' });
  return body as Record<string, unknown>;
}

function textField(body: Record<string, unknown>, field: string): string {
  const value = Object.hasOwn(body, field) ? body[field] : undefined;
  if (typeof value !== 'string' || value.length === 0 || value.length > 256)
    throw invalidField(
      field,
      `expected a text of 1 to 256 characters; got ${typeof value === 'string' ? `${value.length} characters` : typeof value}`,
    );
  return value;
}
