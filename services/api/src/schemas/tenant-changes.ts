// Changes of a tenant, as the API takes them: holds, plan, isolation, end.
import { type Catalog, holds, isolations } from '@burgage/tenancy';
import { z } from '@hono/zod-openapi';
import { OperationSchema, operationExample } from './operations.ts';
import { planOf } from './tenants.ts';

const oneOf = (names: readonly string[]): string => `expected one of ${names.join(', ')}`;

export const HoldSchema = z
  .strictObject(
    {
      hold: z
        .enum(holds, { error: oneOf(holds) })
        .optional()
        .openapi({ description: 'Why it is not served; operator when absent.', example: 'unpaid' }),
    },
    { error: 'expected an object with hold, or nothing' },
  )
  .openapi('HoldChange');

/** The body of a change of plan, for the plans of `catalog`. */
export function planChangeSchema(catalog: Catalog) {
  return z.strictObject({ plan: planOf(catalog) }, { error: 'expected an object with plan' }).openapi('PlanChange');
}

export const MoveSchema = z
  .strictObject(
    { isolation: z.enum(isolations, { error: oneOf(isolations) }).openapi({ description: 'Where it is to live.', example: 'silo' }) },
    { error: 'expected an object with isolation' },
  )
  .openapi('Move');

export const TerminationSchema = z
  .strictObject(
    {
      confirm: z.string({ error: 'expected the slug of the tenant' }).optional().openapi({
        description: 'Required: the slug of the tenant once more, because this cannot be taken back.',
        example: 'grosse-sohne',
      }),
      now: z
        .boolean({ error: 'expected true or false' })
        .optional()
        .openapi({ description: 'Skips the grace period of its plan; the backup is made all the same.', example: false }),
    },
    { error: 'expected an object with confirm' },
  )
  .openapi('Termination');

export const OperationAnswerSchema = z.object({ operation: OperationSchema }).openapi('OperationAnswer');

export type OperationAnswer = z.infer<typeof OperationAnswerSchema>;

export const moveExample: OperationAnswer = {
  operation: {
    ...operationExample,
    id: 'op_move_01JD3Q8Z6V7K4M2N9P0R5S1T3X',
    kind: 'move',
    summary: 'pool → silo',
    state: 'queued',
    steps: [
      { name: 'check', state: 'pending', attempts: 0 },
      { name: 'compute', state: 'pending', attempts: 0 },
    ],
    startedAt: undefined,
    pointOfNoReturn: 'open',
    sequence: 0,
  },
};
