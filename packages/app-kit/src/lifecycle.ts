// The routes under /_burgage through which the platform sets tenants up in an app and takes them down, for any framework.
import { archiveType } from './archive-format.ts';
import { invalidField, ProblemError, problemResponse } from './problem.ts';
import type { Place, Seat, TenantData, TenantHandle } from './tenant-data.ts';
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
/** The header in which the platform says which attempt a change belongs to. */
export const fenceHeader = 'Burgage-Fence';

const bodyBytesMax = 16 * 1024;

/**
 * Answers every request under `/_burgage`, and asks for the platform's token first:
 *
 *     PUT    /_burgage/tenants/:id               {slug, name, color}  200 {created}
 *     GET    /_burgage/tenants/:id                                    200 {prepared, frozen, owner, rows}
 *     DELETE /_burgage/tenants/:id                                    204, also when there is nothing
 *     PUT    /_burgage/tenants/:id/owner         {email}              200 {created}
 *     POST   /_burgage/tenants/:id/owner/invite                       200 {path}
 *     DELETE /_burgage/tenants/:id/owner                              204, also when there is nothing
 *     PUT    /_burgage/tenants/:id/frozen        {reason}             204: from here on the tenant's writes get `tenant_moving`
 *     DELETE /_burgage/tenants/:id/frozen                             204, also when there is nothing
 *     GET    /_burgage/tenants/:id/digest                             200 {tables: {name: {rows, hash}}}
 *     GET    /_burgage/tenants/:id/archive                            200 every row, as application/x-ndjson
 *     PUT    /_burgage/tenants/:id/archive       such an archive      200 {tables}, read back; the tenant is frozen
 *     GET    /_burgage/places?after=ID                                200 {places: [{tenantId, place, frozen, rows, unfinished?}], next?}
 *     GET    /_burgage/usage?after=ID                                 200 {tenants: [{tenantId, place, rows}], next?}
 *
 * What names a tenant takes `?place=pool` (the default: the database that tenants share) or `?place=own` (its own). What changes
 * something takes the header `Burgage-Fence: <whole number>` (default 0); who comes with a lower one than was seen for this tenant and
 * place gets `fenced` (409) with `metadata.seen`. All of it may be repeated. Where the verifier is that of a single tenant, others are
 * `misdirected` (421). A tenant in the middle of a move is listed with both of its places, and as `unfinished` where its rows are being
 * replaced or removed, or were when that broke off: to say so again, PUT archive, DELETE or PUT, brings it to its end.
 *
 * Never rejects: errors are answers in application/problem+json.
 */
export function createLifecycle({ verifier, data, owners, onError }: LifecycleOptions): (request: Request) => Promise<Response> {
  const resources: Record<string, Record<string, (target: Target, request: Request) => Promise<Response> | Response>> = {
    '': {
      GET({ tenantId, place }) {
        if (!data.isPrepared(tenantId, place)) return Response.json({ prepared: false, frozen: false, owner: null, rows: {} });
        return Response.json({
          prepared: true,
          frozen: data.isFrozen(tenantId, place),
          owner: owners.email(data.for(tenantId, place)) ?? null,
          rows: data.usage(tenantId, place).rows,
        });
      },
      async PUT({ tenantId, seat }, request) {
        const body = await readBody(request);
        const info = { slug: textField(body, 'slug'), name: textField(body, 'name'), color: textField(body, 'color') };
        return Response.json(await data.prepare(tenantId, info, seat));
      },
      async DELETE({ tenantId, seat }) {
        await data.remove(tenantId, seat);
        return done();
      },
    },
    '/owner': {
      async PUT(target, request) {
        const email = textField(await readBody(request), 'email');
        return Response.json(data.change(target.tenantId, target.seat, (tenant) => owners.put(tenant, email)));
      },
      DELETE({ tenantId, place, seat }) {
        if (data.isPrepared(tenantId, place)) data.change(tenantId, seat, (tenant) => owners.remove(tenant));
        return done();
      },
    },
    '/owner/invite': {
      POST(target) {
        return Response.json(data.change(target.tenantId, target.seat, (tenant) => owners.invite(tenant)));
      },
    },
    '/frozen': {
      async PUT(target, request) {
        const reason = textField(await readBody(request), 'reason');
        data.freeze(target.tenantId, reason, target.seat);
        return done();
      },
      DELETE({ tenantId, seat }) {
        data.thaw(tenantId, seat);
        return done();
      },
    },
    '/digest': {
      async GET(target) {
        return Response.json({ tables: await data.digest(target.tenantId, target.place) });
      },
    },
    '/archive': {
      GET(target) {
        const lines = ReadableStream.from(data.archive(target.tenantId, target.place));
        return new Response(lines, { headers: { 'content-type': archiveType, 'cache-control': 'no-store' } });
      },
      async PUT(target, request) {
        return Response.json({ tables: await data.restore(target.tenantId, chunksOf(request), target.seat) });
      },
    },
  };
  const lists: Record<string, (after: string) => Promise<object>> = {
    [`${lifecyclePath}/places`]: (after) => data.places(after),
    async [`${lifecyclePath}/usage`](after) {
      const { places, next } = await data.places(after);
      return { tenants: places.map(({ tenantId, place, rows }) => ({ tenantId, place, rows })), ...(next !== undefined && { next }) };
    },
  };

  /** To the platform, a tenant that it has not prepared is its own mistake and not, as for a visitor, a matter of waiting. */
  function asMistake(error: unknown, { tenantId, place }: Target): unknown {
    if (!(error instanceof ProblemError) || error.code !== 'tenant_not_prepared') return error;
    return new ProblemError('transition_not_allowed', {
      message: `The tenant ${tenantId} is not prepared here; PUT ${lifecyclePath}/tenants/${tenantId}?place=${place} comes first.`,
      cause: error,
    });
  }

  async function answer(request: Request): Promise<Response> {
    await verifier.platform(bearerToken(request));
    try {
      return await answerPlatform(request);
    } catch (error) {
      // To its end: a platform that still sends an archive would see a broken connection instead of the answer.
      await request.body?.pipeTo(new WritableStream()).catch(() => undefined);
      throw error;
    }
  }

  async function answerPlatform(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const list = Object.hasOwn(lists, url.pathname) ? lists[url.pathname] : undefined;
    if (list) {
      if (request.method !== 'GET') return methodRefused(['GET']);
      return Response.json(await list(url.searchParams.get('after') ?? ''));
    }
    // Tenant ids need no escaping, so an escaped one is not a tenant id.
    const [, tenantId = '', resource = ''] = /^\/_burgage\/tenants\/([A-Za-z0-9_.-]{1,128})((?:\/[a-z]+)*)$/.exec(url.pathname) ?? [];
    const methods = tenantId !== '' && Object.hasOwn(resources, resource) ? resources[resource] : undefined;
    if (!methods) throw new ProblemError('not_found');
    if (verifier.tenantId !== undefined && tenantId !== verifier.tenantId)
      throw new ProblemError('misdirected', { message: `This process serves ${verifier.tenantId} and nobody else; got ${tenantId}.` });
    const handler = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
    if (!handler) return methodRefused(Object.keys(methods));
    const target = targetOf(tenantId, url, request);
    try {
      return await handler(target, request);
    } catch (error) {
      throw asMistake(error, target);
    }
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

/** Whose rows a request is about, where they are, and who asks to change them. */
interface Target {
  readonly tenantId: string;
  readonly place: Place;
  readonly seat: Required<Seat>;
}

function targetOf(tenantId: string, url: URL, request: Request): Target {
  const place = url.searchParams.get('place') ?? 'pool';
  if (place !== 'pool' && place !== 'own') throw invalidField('place', `expected pool or own; got ${JSON.stringify(place.slice(0, 80))}`);
  const header = request.headers.get(fenceHeader) ?? '0';
  const fence = /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN;
  if (!Number.isSafeInteger(fence)) throw invalidField(fenceHeader, `expected a whole number; got ${JSON.stringify(header.slice(0, 80))}`);
  return { tenantId, place, seat: { place, fence } };
}

const done = (): Response => new Response(null, { status: 204 });

function methodRefused(allowed: readonly string[]): Response {
  const refusal = problemResponse(new ProblemError('method_not_allowed'));
  refusal.headers.set('allow', allowed.join(', '));
  return refusal;
}

function bearerToken(request: Request): string | undefined {
  return /^Bearer ([^\s]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}

/** Touches the body only when it is read, and leaves to the caller what is not. */
async function* chunksOf(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body) yield* request.body.values({ preventCancel: true });
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
