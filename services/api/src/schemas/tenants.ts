// Tenants and sign-ups, as the API shows and takes them.

import type { ErrorCode } from '@burgage/contracts';
import { type Catalog, holds, isolations, parseSlug } from '@burgage/tenancy';
import { z } from '@hono/zod-openapi';
import { pageOf, pageQuery, quoted, timeSchema } from './common.ts';
import { OperationSchema, operationExample } from './operations.ts';
import { InstanceSchema } from './possessions.ts';

export const tenantStates = ['requested', 'provisioning', 'active', 'failed', 'terminating', 'terminated'] as const;

export const LimitsSchema = z
  .object({
    requestsPerSecond: z.int().nonnegative().openapi({ example: 20 }),
    concurrency: z.int().nonnegative().openapi({ description: 'Requests in flight at once.', example: 20 }),
    bodyBytesMax: z
      .int()
      .nonnegative()
      .openapi({ description: 'The largest request body; 0 means the bound of the gateway.', example: 10485760 }),
  })
  .openapi('Limits');

export const TenantSchema = z
  .object({
    id: z.string().openapi({ description: 'Opaque; never changes.', example: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
    slug: z
      .string()
      .optional()
      .openapi({ description: 'Its own label below the base domain; absent once it is free again.', example: 'grosse-sohne' }),
    formerSlug: z
      .string()
      .optional()
      .openapi({ description: 'The slug that it had or would have had; set once the slug itself is free again.' }),
    url: z
      .url()
      .optional()
      .openapi({ description: 'Where it is reached; absent without a slug.', example: 'http://grosse-sohne.localhost:8080' }),
    company: z.string().openapi({ example: 'Größe & Söhne GmbH' }),
    plan: z.string().openapi({ example: 'trial' }),
    catalog: z.string().openapi({ description: 'The catalog that it was signed up from.', example: 'litedesk' }),
    isolation: z
      .enum(isolations)
      .optional()
      .openapi({ description: 'Where it lives now; absent while it lives nowhere.', example: 'pool' }),
    pendingIsolation: z.enum(isolations).optional().openapi({
      description: 'What its plan gives, where that is another isolation than it has: a move is pending.',
      example: 'silo',
    }),
    isolationNote: z.string().optional().openapi({ description: 'Why it does not get the isolation of its plan, for a person.' }),
    moving: z.boolean().openapi({ description: 'It is being moved: its new requests wait.', example: false }),
    state: z.enum(tenantStates).openapi({ example: 'active' }),
    holds: z.array(z.enum(holds)).openapi({ description: 'Why it is not served; empty means nothing holds it.', example: [] }),
    owner: z.string().openapi({ description: 'The e-mail address of its owner.', example: 'owner@acme.test' }),
    limits: LimitsSchema.optional().openapi({ description: 'What its plan allows.' }),
    features: z.array(z.string()).openapi({ description: 'What its plan switches on.', example: ['contacts', 'deals'] }),
    hosts: z.array(z.string()).openapi({
      description: 'The names that lead to it, its subdomain first; empty while it has no route.',
      example: ['grosse-sohne.localhost'],
    }),
    upstream: z.string().optional().openapi({ description: 'What serves it; absent while it has no route.', example: 'desk-shared' }),
    instance: InstanceSchema.optional().openapi({
      description: 'The process of its own that serves it; absent without one, and where the provisioner does not answer.',
    }),
    createdAt: timeSchema,
    trialEndsAt: timeSchema.optional(),
    gracePeriodDays: z
      .int()
      .nonnegative()
      .openapi({ description: 'Days that its plan gives it between the request to close it and the removal of its data.', example: 7 }),
    slugQuarantineEndsAt: timeSchema
      .optional()
      .openapi({ description: 'Until when nobody else gets its former slug; absent while it holds one.' }),
    version: z.int().positive().openapi({ description: 'Grows with every change.', example: 5 }),
    failure: z.string().optional().openapi({ description: 'Why it failed, for a person.' }),
    operationId: z.string().optional().openapi({ description: 'The operation that moved it last.' }),
  })
  .openapi('Tenant', { description: 'One customer organisation.' });

export const TenantPageSchema = pageOf('TenantPage', TenantSchema);

export const SignUpAnswerSchema = z
  .object({
    tenant: TenantSchema,
    operation: OperationSchema,
    url: z.url().openapi({ description: 'Where the tenant will answer.' }),
    estimateMs: z.int().positive().openapi({ description: 'How long the operation usually takes.', example: 1000 }),
  })
  .openapi('SignUpAnswer');

export type Tenant = z.infer<typeof TenantSchema>;
export type SignUpAnswer = z.infer<typeof SignUpAnswerSchema>;

/** Adds an issue that has an error code and a sentence of its own. */
function refuse(context: z.RefinementCtx, code: ErrorCode, sentence: string): void {
  context.addIssue({ code: 'custom', message: sentence, params: { code, sentence: true } });
}

/** What is wrong with a plan that `catalog` does not have. */
export const unknownPlan = (plan: string, catalog: string, plans: readonly string[]): string =>
  `${quoted(plan)} is not in the catalog ${catalog}; expected one of ${plans.join(', ')}`;

const company = 'expected 1 to 200 characters on one line';
const owner = 'expected an e-mail address';

/** The name of a plan of `catalog`. */
export function planOf(catalog: Catalog) {
  const plans = Object.keys(catalog.plans);
  return z
    .string({ error: `expected one of ${plans.join(', ')}` })
    .superRefine((name, context) => {
      if (!Object.hasOwn(catalog.plans, name)) refuse(context, 'unknown_plan', unknownPlan(name, catalog.name, plans));
    })
    .openapi({ description: 'A plan of the catalog.', enum: plans, example: plans[0] ?? 'trial' });
}

/** The body of a sign-up: every field that is not valid is reported at once. */
export function signUpSchema(catalog: Catalog) {
  return z
    .strictObject(
      {
        company: z
          .string({ error: company })
          .refine((text) => text.trim().length > 0 && [...text].length <= 200 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), { error: company })
          .openapi({
            description: 'The name as its people write it, in any script.',
            minLength: 1,
            maxLength: 200,
            example: 'Größe & Söhne GmbH',
          }),
        plan: planOf(catalog),
        owner: z
          .email({ error: owner })
          .max(254, { error: 'expected at most 254 characters' })
          .openapi({ description: 'The e-mail address of the person who will own the tenant.', example: 'owner@acme.test' }),
        slug: z
          .string({ error: 'expected 3 to 40 lower-case letters, digits and hyphens' })
          .superRefine((text, context) => {
            const slug = parseSlug(text);
            if (!slug.ok) refuse(context, slug.error.code, slug.error.fields[0]?.description ?? slug.error.message);
          })
          .optional()
          .openapi({ description: 'Made from the company name when absent.', minLength: 3, maxLength: 40, example: 'grosse-sohne' }),
      },
      { error: 'expected an object with company, plan and owner' },
    )
    .openapi('SignUp');
}

export const tenantParam = z.object({
  tenant: z.string().openapi({ description: 'Its id or its slug.', example: 'grosse-sohne' }),
});

export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, { error: 'expected 1 to 255 visible ASCII characters' })
  .optional()
  .openapi({
    description:
      'Repeating a request with the same key and body makes nothing twice and gives the same answer. Made up when absent, and given back.',
    example: '9b0f6e0e-5a3c-4ad0-8a53-6f3a1f0c2b11',
  });

export const tenantQuery = z.strictObject({
  ...pageQuery,
  state: z.enum(tenantStates, { error: `expected one of ${tenantStates.join(', ')}` }).optional(),
  plan: z.string().min(1, { error: 'expected the name of a plan' }).optional(),
});

export const tenantExample: Tenant = {
  id: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
  slug: 'grosse-sohne',
  url: 'http://grosse-sohne.localhost:8080',
  company: 'Größe & Söhne GmbH',
  plan: 'trial',
  catalog: 'litedesk',
  isolation: 'pool',
  moving: false,
  state: 'active',
  holds: [],
  owner: 'owner@acme.test',
  limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 10485760 },
  features: ['contacts', 'deals'],
  hosts: ['grosse-sohne.localhost'],
  upstream: 'desk-shared',
  createdAt: '2026-03-01T09:30:00.000Z',
  trialEndsAt: '2026-03-16T09:30:00.000Z',
  gracePeriodDays: 7,
  version: 5,
  operationId: 'op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
};

export const signUpExample: SignUpAnswer = {
  tenant: { ...tenantExample, state: 'requested', hosts: [], upstream: undefined, version: 1 },
  operation: operationExample,
  url: 'http://grosse-sohne.localhost:8080',
  estimateMs: 1000,
};
