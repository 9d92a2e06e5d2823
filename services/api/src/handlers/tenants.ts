// Tenants: signing one up, listing them, reading one.

import { createHash } from 'node:crypto';
import { BurgageError } from '@burgage/contracts';
import { type Catalog, ulid } from '@burgage/tenancy';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { awaitedProvision, operationView } from '../domain/operation-view.ts';
import { instanceView } from '../domain/possession-view.ts';
import { tenantStateFromName, tenantView } from '../domain/tenant-view.ts';
import { audited } from '../http/audit.ts';
import { jsonBody } from '../http/body.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { present } from '../http/present.ts';
import { inCallersTerms } from '../http/terms.ts';
import { refuseInvalid } from '../http/validate.ts';
import type { Operation } from '../schemas/operations.ts';
import { bodyProblems, json, problems } from '../schemas/responses.ts';
import {
  idempotencyKey,
  SignUpAnswerSchema,
  signUpExample,
  signUpSchema,
  type Tenant,
  TenantPageSchema,
  TenantSchema,
  tenantExample,
  tenantParam,
  tenantQuery,
  unknownPlan,
} from '../schemas/tenants.ts';
import { linkNext } from './pages.ts';

/** How long a provision operation usually takes, by the isolation of the plan: the design's promise. */
const provisionEstimatesMs = { pool: 1_000, bridge: 1_000, silo: 3_000 } as const;
/** Beyond it a tenant is read without its instance: what the provisioner knows is never worth more waiting. */
const instanceTimeoutMs = 1_000;

const listTenants = createRoute({
  method: 'get',
  path: '/v1/tenants',
  operationId: 'listTenants',
  tags: ['tenants'],
  summary: 'List tenants',
  description: 'Newest first. Pages are stable while tenants come and go.',
  request: { query: tenantQuery },
  responses: {
    200: json('A page of tenants.', TenantPageSchema, { items: [tenantExample] }),
    ...problems('invalid_argument', 'invalid_page_token', 'unknown_plan'),
  },
});

const getTenant = createRoute({
  method: 'get',
  path: '/v1/tenants/{tenant}',
  operationId: 'getTenant',
  tags: ['tenants'],
  summary: 'Read one tenant',
  description: 'With its ETag in If-None-Match an unchanged tenant is answered with 304.',
  request: { params: tenantParam, headers: z.object({ 'If-None-Match': z.string().optional().openapi({ example: '"5"' }) }) },
  responses: {
    200: json('The tenant.', TenantSchema, tenantExample, z.object({ ETag: z.string().openapi({ example: '"5"' }) })),
    304: { description: 'It has not changed.' },
    ...problems('tenant_not_found'),
  },
});

/** Mounts them on `app`. */
export function mountTenants(app: OpenAPIHono<ApiEnv>, ports: ApiPorts): void {
  const { registry, provisioner, catalog, publicUrlOf, logger, clock, random } = ports;
  const signUp = signUpSchema(catalog);

  const createTenant = createRoute({
    method: 'post',
    path: '/v1/tenants',
    operationId: 'createTenant',
    tags: ['tenants'],
    summary: 'Sign a company up',
    description: 'Creates the tenant and starts the operation that makes it live. The answer says where the operation can be followed.',
    middleware: [audited('tenant.create', ports), ...jsonBody],
    request: {
      headers: z.object({ 'Idempotency-Key': idempotencyKey }),
      body: {
        required: true,
        content: {
          'application/json': {
            schema: signUp,
            example: { company: tenantExample.company, plan: Object.keys(catalog.plans)[0] ?? 'trial', owner: tenantExample.owner },
          },
        },
      },
    },
    responses: {
      202: json(
        'The tenant is being made.',
        SignUpAnswerSchema,
        signUpExample,
        z.object({
          Location: z.string().openapi({ description: 'The operation.', example: `/v1/operations/${signUpExample.operation.id}` }),
          'Retry-After': z.string().openapi({ description: 'Seconds after which the operation has usually ended.', example: '1' }),
          'Idempotency-Key': z.string().openapi({ description: 'The key that the tenant was made under.' }),
        }),
      ),
      ...problems(...bodyProblems, 'unknown_plan', 'slug_invalid', 'slug_reserved', 'slug_taken', 'idempotency_key_reused'),
    },
  });

  app.openapi<typeof createTenant>(
    createTenant,
    async (c) => {
      const key = c.req.valid('header')['Idempotency-Key'] ?? ulid(clock, random);
      const change = c.get('change');
      change.idempotencyKey = key;
      c.header('Idempotency-Key', key);
      const { company, plan, owner, slug = '' } = c.req.valid('json');
      const created = await inCallersTerms(registry.createTenant({ idempotencyKey: key, company, plan, ownerEmail: owner, slug }));
      const tenant = tenantView(present(created.tenant), publicUrlOf);
      change.target = tenant.id;
      change.targetName = tenant.slug ?? tenant.formerSlug;
      change.repeated = !created.created;
      const operation = await provision(tenant);
      c.header('Location', `/v1/operations/${operation.id}`);
      const estimateMs = provisionEstimatesMs[catalog.plans[plan]?.isolation ?? 'pool'];
      c.header('Retry-After', String(Math.ceil(estimateMs / 1000)));
      const url = publicUrlOf(tenant.slug ?? tenant.formerSlug ?? '');
      return c.json({ tenant, operation, url, estimateMs }, 202);
    },
    refuseInvalid(signUp),
  );

  /** Starts the tenant's first operation. Where that fails the tenant is not lost: the provisioner's sweep finds it. */
  async function provision(tenant: Tenant): Promise<Operation> {
    try {
      const { operation } = await provisioner.provisionTenant({ tenantId: tenant.id });
      return operationView(present(operation));
    } catch (error) {
      logger.warn({ err: error, tenant: tenant.id }, 'the provisioner did not take the tenant; its sweep will');
      return awaitedProvision(tenant);
    }
  }

  app.openapi(listTenants, async (c) => {
    const { pageSize = 0, pageToken = '', state, plan = '' } = c.req.valid('query');
    const page = await inCallersTerms(
      registry.listTenants({
        pageSize,
        pageToken,
        plan,
        ...(state === undefined ? {} : { state: tenantStateFromName(state) }),
      }),
    );
    if (plan !== '' && pageToken === '' && page.tenants.length === 0) requireKnownPlan(plan, catalog);
    const next = page.nextPageToken === '' ? undefined : page.nextPageToken;
    linkNext(c, next);
    const items = await withInstances(page.tenants.map((tenant) => tenantView(tenant, publicUrlOf)));
    return c.json({ items, ...(next === undefined ? {} : { next }) }, 200);
  });

  app.openapi(getTenant, async (c) => {
    const { tenant: found } = await registry.getTenant({ tenant: c.req.valid('param').tenant });
    const tenant = present((await withInstances([tenantView(present(found), publicUrlOf)]))[0]);
    const etag = etagOf(tenant);
    c.header('ETag', etag);
    if (matches(c.req.valid('header')['If-None-Match'], etag)) return c.body(null, 304);
    return c.json(tenant, 200);
  });

  /**
   * The tenants, each with the process of its own where it has one. The provisioner alone knows that; where it does not
   * answer they are shown without.
   */
  async function withInstances(tenants: readonly Tenant[]): Promise<Tenant[]> {
    const [one, ...others] = tenants.filter(mayHaveInstance);
    if (one === undefined) return [...tenants];
    try {
      const asked = { tenantId: others.length === 0 ? one.id : '' };
      const { possessions } = await provisioner.listPossessions(asked, { timeoutMs: instanceTimeoutMs });
      return tenants.map((tenant) => {
        const instance = mayHaveInstance(tenant) ? instanceView(possessions, tenant.id) : undefined;
        return instance === undefined ? tenant : { ...tenant, instance };
      });
    } catch (error) {
      logger.warn({ err: error }, 'the provisioner did not say which tenants have an instance');
      return [...tenants];
    }
  }
}

/** It lives in a silo, or is on its way into one or out of one. */
function mayHaveInstance({ isolation, moving, state }: Tenant): boolean {
  return isolation === 'silo' || moving || state === 'provisioning';
}

/** Its version; with an instance also what that does, which moves no version. */
function etagOf({ version, instance }: Tenant): string {
  if (instance === undefined) return `"${version}"`;
  return `"${version}-${createHash('sha256').update(JSON.stringify(instance)).digest('base64url').slice(0, 12)}"`;
}

/** A plan that tenants are on may have left the catalog; one that nobody is on either is a typing error. */
function requireKnownPlan(plan: string, { name, plans }: Catalog): void {
  if (Object.hasOwn(plans, plan)) return;
  const description = unknownPlan(plan, name, Object.keys(plans));
  throw new BurgageError('unknown_plan', { message: `plan: ${description}`, fields: [{ field: 'plan', description }] });
}

/** RFC 9110, section 13.1.2: weak comparison with each of the list. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((candidate) => ['*', etag].includes(candidate.trim().replace(/^W\//, '')));
}
