// Gateways and their explanations, as the API shows them.
import { z } from '@hono/zod-openapi';
import { ProblemSchema, timeSchema } from './common.ts';

export const GatewaySchema = z
  .object({
    id: z.string().openapi({ description: 'The same after a restart.', example: 'gw-1' }),
    bootId: z.string().openapi({ description: 'New at every start.', example: '01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
    adminAddress: z.string().optional().openapi({ description: 'Where its admin endpoints are.', example: '127.0.0.1:9302' }),
    epoch: z.string().openapi({ description: 'The epoch of the routes it follows.' }),
    appliedRevision: z.int().nonnegative().openapi({ description: 'It has applied every change up to this one.', example: 42 }),
    inSync: z.boolean().openapi({ description: 'It had applied everything the registry had when it last said so.' }),
    lastSeenAt: timeSchema.optional(),
    snapshotHeld: z
      .boolean()
      .openapi({ description: 'It holds back a snapshot that would remove too many hosts, until an operator accepts it.' }),
    twin: z.object({ bootId: z.string(), adminAddress: z.string().optional() }).optional().openapi({
      description: 'Another process that has had the same id for minutes: give each its own.',
    }),
  })
  .openapi('Gateway', { description: 'A gateway that follows the registry.' });

export const GatewayListSchema = z
  .object({
    items: z.array(GatewaySchema).openapi({ description: 'Those connected now, by id.' }),
    epoch: z.string().openapi({ description: "The registry's epoch." }),
    revision: z.int().nonnegative().openapi({ description: "The registry's newest revision." }),
  })
  .openapi('GatewayList');

export const AcceptedSnapshotSchema = z
  .object({ id: z.string(), accepted: z.literal(true) })
  .openapi('AcceptedSnapshot', { description: 'The gateway now applies the snapshot that it held back.' });

/** The gateway's own words: passed on as they are. */
export const ExplanationSchema = z.record(z.string(), z.unknown()).openapi('Explanation', {
  description:
    "The gateway's answer: the host that was looked up, the revision, what matched or why nothing did, holds, limits and endpoint.",
});

export const ExplainAnswerSchema = z
  .object({
    gateways: z
      .array(z.object({ id: z.string(), explanation: ExplanationSchema.optional(), error: ProblemSchema.optional() }))
      .openapi({ description: 'One for each connected gateway: its explanation, or why it gave none.' }),
    note: z.string().optional().openapi({
      description: 'Set where scheme or port are not those that tenants are served at, so that a request would not come to a gateway.',
      example: 'This address asks http, port 80; tenants are served at http, port 8080.',
    }),
  })
  .openapi('ExplainAnswer');

export type Gateway = z.infer<typeof GatewaySchema>;
export type GatewayList = z.infer<typeof GatewayListSchema>;
export type ExplainAnswer = z.infer<typeof ExplainAnswerSchema>;

export const gatewayListExample: GatewayList = {
  items: [
    {
      id: 'gw-1',
      bootId: '01JD3Q8Z6V7K4M2N9P0R5S1T3W',
      adminAddress: '127.0.0.1:9302',
      epoch: '01JD3Q8Z6V0000000000000000',
      appliedRevision: 42,
      inSync: true,
      lastSeenAt: '2026-03-01T09:30:00.000Z',
      snapshotHeld: false,
    },
  ],
  epoch: '01JD3Q8Z6V0000000000000000',
  revision: 42,
};

export const explainExample: ExplainAnswer = {
  gateways: [
    {
      id: 'gw-1',
      explanation: {
        url: 'http://nobody.localhost/',
        host: 'nobody.localhost',
        normalizedHost: 'nobody.localhost',
        epoch: '01JD3Q8Z6V0000000000000000',
        revision: 42,
        inSync: true,
        source: 'registry',
        match: { kind: 'none', tried: ['nobody.localhost', '*.localhost', '**.localhost'] },
        answer: { status: 404, code: 'host_unknown', sentence: 'Nobody lives at this address.' },
      },
    },
  ],
};

const recordExample = {
  gateway: 'gw-1',
  time: '2026-03-01T09:30:00.000Z',
  requestId: '4bf92f3577b34da6a3ce929d0e0e4736',
  client: '127.0.0.1',
  method: 'GET',
  host: 'grosse-sohne.localhost',
  path: '/',
  tenant: 'ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W',
  upstream: 'desk-shared',
  endpoint: '127.0.0.1:9100',
  attempts: 1,
  status: 200,
  bytesIn: 0,
  bytesOut: 1_234,
  durationMs: 3.2,
  termination: 'completed',
};

export const tapExample = `event: record\ndata: ${JSON.stringify(recordExample)}\n\n`;
