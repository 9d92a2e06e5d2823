// Operations: listing them, reading one, following one as it happens.

import { BurgageError } from '@burgage/contracts';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { hasEnded, operationView } from '../domain/operation-view.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { streamProgress } from '../http/progress.ts';
import { inCallersTerms } from '../http/terms.ts';
import { pageQuery } from '../schemas/common.ts';
import { OperationPageSchema, OperationSchema, operationExample, progressExample } from '../schemas/operations.ts';
import { json, problems } from '../schemas/responses.ts';
import { linkNext } from './pages.ts';

const operationParam = z.object({
  operation: z.string().openapi({ example: operationExample.id }),
});

const listOperations = createRoute({
  method: 'get',
  path: '/v1/operations',
  operationId: 'listOperations',
  tags: ['operations'],
  summary: 'List operations',
  description: 'Newest first. Pages are stable while operations come and go.',
  request: {
    query: z.strictObject({
      ...pageQuery,
      tenant: z
        .string()
        .min(1, { error: 'expected the id or the slug of a tenant' })
        .optional()
        .openapi({ description: 'Only those of this tenant: its id or its slug.', example: 'grosse-sohne' }),
    }),
  },
  responses: {
    200: json('A page of operations.', OperationPageSchema, { items: [operationExample] }),
    ...problems('invalid_argument', 'invalid_page_token', 'tenant_not_found'),
  },
});

const getOperation = createRoute({
  method: 'get',
  path: '/v1/operations/{operation}',
  operationId: 'getOperation',
  tags: ['operations'],
  summary: 'Read one operation',
  description: 'With its steps in order.',
  request: { params: operationParam },
  responses: { 200: json('The operation.', OperationSchema, operationExample), ...problems('operation_not_found') },
});

const watchOperation = createRoute({
  method: 'get',
  path: '/v1/operations/{operation}/progress',
  operationId: 'watchOperation',
  tags: ['operations'],
  summary: 'Follow one operation',
  description:
    'Server-sent events. Each `progress` event carries one entry of the log (schema Progress) and its sequence as id; a reader that comes back with Last-Event-ID gets what it missed. A comment comes at least every 15 seconds. The last event is `end`, with the operation as GET answers it; a stream that stops without it was cut off, and its reader should come back.',
  request: {
    params: operationParam,
    headers: z.object({
      'Last-Event-ID': z
        .string()
        .regex(/^\d{1,15}$/, { error: 'expected the id of an event of this stream' })
        .optional()
        .openapi({ description: 'Only events after this one.', example: '4' }),
    }),
  },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string(), example: progressExample } } },
    ...problems('invalid_argument', 'operation_not_found'),
  },
});

/** Mounts them on `app`. */
export function mountOperations(app: OpenAPIHono<ApiEnv>, ports: ApiPorts): void {
  const { registry, provisioner } = ports;

  app.openapi(listOperations, async (c) => {
    const { pageSize = 0, pageToken = '', tenant } = c.req.valid('query');
    const tenantId = tenant === undefined ? '' : ((await registry.getTenant({ tenant })).tenant?.id ?? '');
    const page = await inCallersTerms(provisioner.listOperations({ pageSize, pageToken, tenantId }));
    const next = page.nextPageToken === '' ? undefined : page.nextPageToken;
    linkNext(c, next);
    return c.json({ items: page.operations.map(operationView), ...(next === undefined ? {} : { next }) }, 200);
  });

  app.openapi(getOperation, async (c) => c.json(await read(c.req.valid('param').operation), 200));

  app.openapi(watchOperation, async (c) => {
    const { id } = await read(c.req.valid('param').operation);
    return streamProgress(c, ports, {
      operationId: id,
      afterSequence: Number(c.req.valid('header')['Last-Event-ID'] ?? 0),
      readIfEnded: async () => {
        const operation = await read(id);
        return hasEnded(operation) ? operation : undefined;
      },
    });
  });

  async function read(operationId: string) {
    const { operation } = await provisioner.getOperation({ operationId });
    if (operation === undefined) throw new BurgageError('operation_not_found');
    return operationView(operation);
  }
}
