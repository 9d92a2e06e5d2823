// Operations, their steps and their progress, as the API shows them.
import { z } from '@hono/zod-openapi';
import { FailureSchema, pageOf, timeSchema } from './common.ts';

export const operationStates = ['queued', 'running', 'undoing', 'succeeded', 'failed', 'needs_attention', 'cancelled'] as const;
export const stepStates = ['pending', 'running', 'done', 'not_needed', 'retrying', 'failed', 'undoing', 'undone', 'waiting'] as const;

export const StepSchema = z
  .object({
    name: z.string().openapi({ example: 'database' }),
    state: z.enum(stepStates).openapi({
      description: 'not_needed: there was nothing to do here. waiting: it waits for a time that its detail names.',
      example: 'done',
    }),
    attempts: z.int().nonnegative().openapi({ description: 'How often it has been tried.', example: 1 }),
    detail: z.string().optional().openapi({ description: 'What it found or made, in a few words.', example: 'rows scoped in desk-shared' }),
    startedAt: timeSchema.optional(),
    endedAt: timeSchema.optional(),
    error: FailureSchema.optional().openapi({ description: 'The last error.' }),
  })
  .openapi('Step', { description: 'One part of an operation.' });

export const OperationSchema = z
  .object({
    id: z.string().openapi({ example: 'op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
    kind: z.string().openapi({ description: 'provision, suspend, resume, change_plan, move or terminate.', example: 'provision' }),
    summary: z.string().optional().openapi({ description: 'What was asked for, in a few words.', example: 'pool → silo' }),
    tenant: z
      .object({ id: z.string(), slug: z.string().optional() })
      .openapi({ description: 'The tenant that it changes.', example: { id: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W', slug: 'grosse-sohne' } }),
    state: z.enum(operationStates).openapi({
      description:
        'failed: everything that was done has been undone. cancelled: so it has, because somebody asked for it. needs_attention: it cannot go on by itself.',
      example: 'succeeded',
    }),
    steps: z.array(StepSchema).openapi({ description: 'In order; empty until the operation has been taken up.' }),
    createdAt: timeSchema,
    startedAt: timeSchema.optional(),
    endedAt: timeSchema.optional(),
    error: FailureSchema.optional(),
    attention: z.string().optional().openapi({ description: 'What a person should do; set when needs_attention.' }),
    pointOfNoReturn: z.string().optional().openapi({ description: 'The step from which on it only goes forward.', example: 'activate' }),
    pastReturn: z.boolean().openapi({ description: 'It only goes forward: it can no longer be cancelled.', example: false }),
    deadlineAt: timeSchema.optional().openapi({ description: 'Until then it must have ended; absent where it may take any time.' }),
    dueAt: timeSchema.optional().openapi({ description: 'When its next attempt is due; absent once it has ended.' }),
    sequence: z.int().nonnegative().openapi({ description: 'The sequence of its newest progress entry.', example: 21 }),
  })
  .openapi('Operation', { description: 'A durable change to one tenant, made of steps.' });

export const ProgressSchema = z
  .object({
    operationId: z.string(),
    sequence: z.int().positive().openapi({ description: '1, 2, 3 …; also the id of the event.' }),
    time: timeSchema,
    step: z.string().optional().openapi({ description: 'Absent where the operation itself changed.' }),
    attempt: z.int().positive().optional(),
    stepState: z.enum(stepStates).optional(),
    operationState: z.enum(operationStates),
    detail: z.string().optional(),
    error: FailureSchema.optional(),
  })
  .openapi('Progress', { description: 'One entry of the log of an operation: each happens once, in order.' });

export const OperationPageSchema = pageOf('OperationPage', OperationSchema);

export type Operation = z.infer<typeof OperationSchema>;
export type Step = z.infer<typeof StepSchema>;
export type Progress = z.infer<typeof ProgressSchema>;

export const operationExample: Operation = {
  id: 'op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
  kind: 'provision',
  tenant: { id: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W', slug: 'grosse-sohne' },
  state: 'running',
  steps: [
    {
      name: 'slug',
      state: 'done',
      attempts: 1,
      detail: 'grosse-sohne',
      startedAt: '2026-03-01T09:30:00.010Z',
      endedAt: '2026-03-01T09:30:00.012Z',
    },
    { name: 'database', state: 'running', attempts: 1, startedAt: '2026-03-01T09:30:00.013Z' },
    { name: 'files', state: 'pending', attempts: 0 },
  ],
  createdAt: '2026-03-01T09:30:00.000Z',
  startedAt: '2026-03-01T09:30:00.010Z',
  pointOfNoReturn: 'activate',
  pastReturn: false,
  dueAt: '2026-03-01T09:30:00.013Z',
  sequence: 4,
};

/** What an event stream of progress looks like on the wire. */
export const progressExample = `retry: 1000

id: 1
event: progress
data: {"operationId":"op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W","sequence":1,"time":"2026-03-01T09:30:00.010Z","operationState":"running"}

id: 2
event: progress
data: {"operationId":"op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W","sequence":2,"time":"2026-03-01T09:30:00.012Z","step":"slug","attempt":1,"stepState":"done","operationState":"running","detail":"grosse-sohne"}

: heartbeat

id: 21
event: end
data: {"id":"op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W", … the operation as GET answers it}
`;
