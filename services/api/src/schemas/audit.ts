// The audit journal, as the API shows it.
import { z } from '@hono/zod-openapi';
import { pageOf, timeSchema } from './common.ts';

export const AuditEntrySchema = z
  .object({
    revision: z.int().positive().openapi({ description: '1, 2, 3 … without gaps.', example: 7 }),
    time: timeSchema,
    actor: z.string().openapi({ description: 'The name of the token.', example: 'admin' }),
    action: z.string().openapi({ description: 'What was asked for.', example: 'tenant.create' }),
    target: z
      .string()
      .optional()
      .openapi({ description: 'What it changed; absent where nothing was.', example: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
    targetName: z
      .string()
      .optional()
      .openapi({ description: 'What people called it then: the slug of a tenant.', example: 'grosse-sohne' }),
    detail: z.string().optional().openapi({ description: 'What exactly, in a few words.', example: 'to silo' }),
    idempotencyKeyHash: z.string().optional().openapi({ description: 'SHA-256 of the idempotency key, in hex.' }),
    outcome: z.enum(['succeeded', 'repeated', 'failed']).openapi({
      description: 'repeated: an earlier request with the same idempotency key and body had made the change; nothing was made twice.',
    }),
    code: z.string().optional().openapi({ description: 'The error code where it failed.', example: 'slug_taken' }),
    requestId: z.string(),
  })
  .openapi('AuditEntry', { description: 'One change that somebody asked for, whether it was made or not.' });

export const AuditPageSchema = pageOf('AuditPage', AuditEntrySchema);

export type AuditEntry = z.infer<typeof AuditEntrySchema>;

export const auditEntryExample: AuditEntry = {
  revision: 7,
  time: '2026-03-01T09:30:00.000Z',
  actor: 'admin',
  action: 'tenant.create',
  target: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
  targetName: 'grosse-sohne',
  idempotencyKeyHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  outcome: 'succeeded',
  requestId: '01JD3Q8Z6V7K4M2N9P0R5S1T3W',
};
