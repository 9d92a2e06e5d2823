// The audit trail: who asked for which change, and what became of it.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { inCallersTerms } from '../http/terms.ts';
import { AuditPageSchema, auditEntryExample } from '../schemas/audit.ts';
import { pageQuery } from '../schemas/common.ts';
import { json, problems } from '../schemas/responses.ts';
import { linkNext } from './pages.ts';

const listAudit = createRoute({
  method: 'get',
  path: '/v1/audit',
  operationId: 'listAudit',
  tags: ['audit'],
  summary: 'List changes that were asked for',
  description:
    'Newest first: those that were made, those that were refused, and those that only repeated an earlier request under its idempotency key.',
  request: { query: z.strictObject(pageQuery) },
  responses: {
    200: json('A page of entries.', AuditPageSchema, { items: [auditEntryExample] }),
    ...problems('invalid_argument', 'invalid_page_token'),
  },
});

/** Mounts it on `app`. */
export function mountAudit(app: OpenAPIHono<ApiEnv>, { audit }: ApiPorts): void {
  app.openapi(listAudit, async (c) => {
    const { pageSize = 50, pageToken } = c.req.valid('query');
    const page = await inCallersTerms(audit.list(pageSize, pageToken));
    linkNext(c, page.next);
    return c.json(page, 200);
  });
}
