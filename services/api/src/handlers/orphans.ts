// Orphans: what was made for tenants and nobody owns, and removing it.
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { orphanView } from '../domain/possession-view.ts';
import { audited } from '../http/audit.ts';
import { jsonBody } from '../http/body.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { inCallersTerms } from '../http/terms.ts';
import {
  DeletedOrphansSchema,
  DeleteOrphansSchema,
  deletedOrphansExample,
  OrphanListSchema,
  orphanListExample,
} from '../schemas/possessions.ts';
import { bodyProblems, json, problems } from '../schemas/responses.ts';

/** Both ask every driver for all it has, which takes longer than a read of the store. */
const timeoutMs = 25_000;

const listOrphans = createRoute({
  method: 'get',
  path: '/v1/orphans',
  operationId: 'listOrphans',
  tags: ['orphans'],
  summary: 'List what nobody owns',
  description: 'Processes, databases, files, upstreams and ports that were made for a tenant which neither has nor is getting them.',
  responses: { 200: json('All of them.', OrphanListSchema, orphanListExample), ...problems() },
});

/** Mounts them on `app`. */
export function mountOrphans(app: OpenAPIHono<ApiEnv>, ports: ApiPorts): void {
  const { provisioner } = ports;

  const deleteOrphans = createRoute({
    method: 'delete',
    path: '/v1/orphans',
    operationId: 'deleteOrphans',
    tags: ['orphans'],
    summary: 'Remove what nobody owns',
    description: 'Removes exactly what is named. What has an owner by then is left alone.',
    middleware: [audited('orphan.delete', ports), ...jsonBody],
    request: {
      body: {
        required: true,
        content: { 'application/json': { schema: DeleteOrphansSchema, example: { ids: deletedOrphansExample.deleted } } },
      },
    },
    responses: { 200: json('What became of each.', DeletedOrphansSchema, deletedOrphansExample), ...problems(...bodyProblems) },
  });

  app.openapi(listOrphans, async (c) => {
    const { possessions } = await provisioner.listPossessions({ orphans: true }, { timeoutMs });
    return c.json({ items: possessions.map(orphanView) }, 200);
  });

  app.openapi(deleteOrphans, async (c) => {
    const { ids } = c.req.valid('json');
    const change = c.get('change');
    change.detail = ids.join(', ');
    const { deleted, skipped } = await inCallersTerms(provisioner.deleteOrphans({ ids }, { timeoutMs }));
    change.detail = [`deleted ${deleted.join(', ') || 'nothing'}`, ...(skipped.length > 0 ? [`left ${skipped.join(', ')}`] : [])].join(
      '; ',
    );
    return c.json({ deleted, skipped }, 200);
  });
}
