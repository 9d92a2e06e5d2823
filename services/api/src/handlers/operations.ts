// Operations: listing them, reading one, following one as it happens, cancelling one, having one try again.

import type { ErrorCode, Operation } from '@burgage/contracts';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { hasEnded, operationView } from '../domain/operation-view.ts';
import { audited } from '../http/audit.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { present } from '../http/present.ts';
import { streamProgress } from '../http/progress.ts';
import { inCallersTerms } from '../http/terms.ts';
import { pageQuery } from '../schemas/common.ts';
import { OperationPageSchema, OperationSchema, operationExample, progressExample } from '../schemas/operations.ts';
import { json, problems } from '../schemas/responses.ts';
import { moveExample, OperationAnswerSchema } from '../schemas/tenant-changes.ts';
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

/** What can be asked of an operation. */
interface Intervention {
  readonly verb: 'cancel' | 'retry';
  readonly summary: string;
  readonly description: string;
  /** Where it is not possible. */
  readonly error: ErrorCode;
  ask(operationId: string): Promise<{ readonly operation?: Operation | undefined }>;
}

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

  intervene({
    verb: 'cancel',
    summary: 'Cancel an operation',
    description: 'Undoes what it has done, as long as it has not reached its point of no return.',
    error: 'cancel_too_late',
    ask: (operationId) => provisioner.cancelOperation({ operationId }),
  });

  intervene({
    verb: 'retry',
    summary: 'Have an operation try again',
    description: 'One that needs attention goes on; one that waits for its next attempt makes it at once.',
    error: 'retry_not_possible',
    ask: (operationId) => provisioner.retryOperation({ operationId }),
  });

  function intervene({ verb, summary, description, error, ask }: Intervention): void {
    const route = createRoute({
      method: 'post',
      path: `/v1/operations/{operation}/${verb}`,
      operationId: `${verb}Operation`,
      tags: ['operations'],
      summary,
      description,
      middleware: audited(`operation.${verb}`, ports),
      request: { params: operationParam },
      responses: {
        202: json(
          'The operation.',
          OperationAnswerSchema,
          moveExample,
          z.object({
            Location: z.string().openapi({ description: 'The operation.', example: `/v1/operations/${moveExample.operation.id}` }),
          }),
        ),
        ...problems('operation_not_found', error),
      },
    });
    app.openapi<typeof route>(route, async (c) => {
      const change = c.get('change');
      const { id, kind, summary: what, tenant } = await read(c.req.valid('param').operation);
      change.target = id;
      change.targetName = tenant.slug;
      change.detail = what === undefined ? kind : `${kind} ${what}`;
      const operation = operationView(present((await inCallersTerms(ask(id))).operation));
      c.header('Location', `/v1/operations/${id}`);
      return c.json({ operation }, 202);
    });
  }

  async function read(operationId: string) {
    return operationView(present((await provisioner.getOperation({ operationId })).operation));
  }
}
