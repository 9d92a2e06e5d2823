// Changes of a tenant that operations carry out: suspend, resume, plan, move, terminate.
import { BurgageError, type ErrorCode, type Operation, type Tenant } from '@burgage/contracts';
import { ulid } from '@burgage/tenancy';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { operationView } from '../domain/operation-view.ts';
import { audited } from '../http/audit.ts';
import { jsonBody, optionalJsonBody } from '../http/body.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { present } from '../http/present.ts';
import { inCallersTerms } from '../http/terms.ts';
import { refuseInvalid } from '../http/validate.ts';
import { quoted } from '../schemas/common.ts';
import { bodyProblems, json, problems } from '../schemas/responses.ts';
import {
  HoldSchema,
  MoveSchema,
  moveExample,
  OperationAnswerSchema,
  planChangeSchema,
  TerminationSchema,
} from '../schemas/tenant-changes.ts';
import { idempotencyKey, tenantParam } from '../schemas/tenants.ts';

/** The tenant that is to change, and the key that the change is asked for under. */
interface Asked {
  readonly tenantId: string;
  readonly idempotencyKey: string;
}

/** One kind of change; `Body` is what its request says. */
interface ChangeKind<Body> {
  /** The end of its path. */
  readonly verb: string;
  readonly operationId: string;
  readonly action: string;
  readonly summary: string;
  readonly description: string;
  readonly body: z.ZodType<Body>;
  readonly example: NoInfer<Body>;
  /** True where a request may leave the body out: it is `{}` then. */
  readonly optional?: boolean;
  readonly errors?: readonly ErrorCode[];
  /** For the audit trail, in a few words. */
  detail(body: Body): string;
  /** @throws BurgageError where what is asked does not fit the tenant. */
  check?(body: Body, tenant: Tenant): void;
  start(asked: Asked, body: Body): Promise<{ readonly operation?: Operation | undefined }>;
}

/** Mounts them on `app`. */
export function mountTenantChanges(app: OpenAPIHono<ApiEnv>, ports: ApiPorts): void {
  const { registry, provisioner, catalog, clock, random } = ports;

  mount({
    verb: 'suspend',
    operationId: 'suspendTenant',
    action: 'tenant.suspend',
    summary: 'Suspend a tenant',
    description: 'Adds a hold: while it has any, the tenant is not served, and the gateway says why. Its data stay.',
    body: HoldSchema,
    example: { hold: 'unpaid' },
    optional: true,
    detail: ({ hold = 'operator' }) => `hold ${hold}`,
    start: (asked, { hold = 'operator' }) => provisioner.suspendTenant({ ...asked, hold }),
  });

  mount({
    verb: 'resume',
    operationId: 'resumeTenant',
    action: 'tenant.resume',
    summary: 'Resume a tenant',
    description: 'Lifts a hold. The tenant is served again once it has none.',
    body: HoldSchema,
    example: { hold: 'unpaid' },
    optional: true,
    detail: ({ hold = 'operator' }) => `hold ${hold}`,
    start: (asked, { hold = 'operator' }) => provisioner.resumeTenant({ ...asked, hold }),
  });

  mount({
    verb: 'plan',
    operationId: 'changeTenantPlan',
    action: 'tenant.change_plan',
    summary: 'Put a tenant on another plan',
    description:
      'Price, limits and features change at once. Its isolation stays as it is: where the plan gives another one, a move is pending.',
    body: planChangeSchema(catalog),
    example: { plan: Object.keys(catalog.plans)[0] ?? 'trial' },
    errors: ['unknown_plan'],
    detail: ({ plan }) => `to ${plan}`,
    start: (asked, { plan }) => provisioner.changeTenantPlan({ ...asked, plan }),
  });

  mount({
    verb: 'move',
    operationId: 'moveTenant',
    action: 'tenant.move',
    summary: 'Move a tenant to another isolation',
    description:
      'Requests wait while it is copied, and get 503 with Retry-After where that takes longer. On any doubt it stays where it was.',
    body: MoveSchema,
    example: { isolation: 'silo' },
    errors: ['dedicated_off'],
    detail: ({ isolation }) => `to ${isolation}`,
    start: (asked, { isolation }) => provisioner.moveTenant({ ...asked, isolation }),
  });

  mount({
    verb: 'terminate',
    operationId: 'terminateTenant',
    action: 'tenant.terminate',
    summary: 'Terminate a tenant',
    description:
      'Closes it, waits for the grace period of its plan, backs it up, and removes it. Until its point of no return the operation can be cancelled.',
    body: TerminationSchema,
    example: { confirm: 'grosse-sohne' },
    errors: ['confirmation_missing'],
    detail: ({ now = false }) => (now ? 'at once' : 'after the grace period'),
    check: ({ confirm }, { id, slug, formerSlug }) => {
      const expected = slug || formerSlug || id;
      if (confirm === expected) return;
      const came = confirm === undefined ? 'is missing' : `is ${quoted(confirm)}`;
      const description = `${came}; expected ${quoted(expected)}, the slug of the tenant that is to end`;
      throw new BurgageError('confirmation_missing', { message: `confirm: ${description}`, fields: [{ field: 'confirm', description }] });
    },
    start: (asked, { now = false, confirm = '' }) => provisioner.terminateTenant({ ...asked, now, confirm }),
  });

  function mount<Body>(kind: ChangeKind<Body>): void {
    const route = createRoute({
      method: 'post',
      path: `/v1/tenants/{tenant}/${kind.verb}`,
      operationId: kind.operationId,
      tags: ['tenants'],
      summary: kind.summary,
      description: kind.description,
      middleware: [audited(kind.action, ports), ...(kind.optional ? optionalJsonBody : jsonBody)],
      request: {
        params: tenantParam,
        headers: z.object({ 'Idempotency-Key': idempotencyKey }),
        body: {
          required: kind.optional !== true,
          content: { 'application/json': { schema: kind.body, example: kind.example } },
        },
      },
      responses: {
        202: json(
          'The operation that makes the change.',
          OperationAnswerSchema,
          moveExample,
          z.object({
            Location: z.string().openapi({ description: 'The operation.', example: `/v1/operations/${moveExample.operation.id}` }),
            'Idempotency-Key': z.string().openapi({ description: 'The key that the change was asked for under.' }),
          }),
        ),
        ...problems(...bodyProblems, ...(kind.errors ?? []), 'tenant_not_found', 'transition_not_allowed', 'idempotency_key_reused'),
      },
    });

    app.openapi<typeof route>(
      route,
      async (c) => {
        const key = c.req.valid('header')['Idempotency-Key'] ?? ulid(clock, random);
        // The validator has given it this shape; its own type is lost with the kind's.
        const body = c.req.valid('json') as Body;
        const change = c.get('change');
        change.idempotencyKey = key;
        change.detail = kind.detail(body);
        c.header('Idempotency-Key', key);
        const tenant = present((await registry.getTenant({ tenant: c.req.valid('param').tenant })).tenant);
        change.target = tenant.id;
        change.targetName = tenant.slug || tenant.formerSlug || undefined;
        kind.check?.(body, tenant);
        const answer = await inCallersTerms(kind.start({ tenantId: tenant.id, idempotencyKey: key }, body));
        const operation = operationView(present(answer.operation));
        c.header('Location', `/v1/operations/${operation.id}`);
        return c.json({ operation }, 202);
      },
      refuseInvalid(kind.body),
    );
  }
}
