// The HTTP api as one Hono app: what happens to every request, in order, then its routes.

import { BurgageError } from '@burgage/contracts';
import { OpenAPIHono } from '@hono/zod-openapi';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { mountAudit } from './handlers/audit.ts';
import { mountDocs } from './handlers/docs.ts';
import { mountGateways } from './handlers/gateways.ts';
import { mountOperations } from './handlers/operations.ts';
import { mountOrphans } from './handlers/orphans.ts';
import { mountPlans } from './handlers/plans.ts';
import { mountTenantChanges } from './handlers/tenant-changes.ts';
import { mountTenants } from './handlers/tenants.ts';
import { authenticate } from './http/auth.ts';
import type { ApiEnv, ApiPorts } from './http/env.ts';
import { problemResponse } from './http/problem.ts';
import { aroundRequest } from './http/request.ts';
import { refuseInvalid } from './http/validate.ts';
import { ProgressSchema } from './schemas/operations.ts';

/** What needs no token is mounted before the token is asked for; all else, known or not, comes after. */
export function createApiApp(ports: ApiPorts, adminToken: string): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: refuseInvalid() });
  app.onError((thrown, c) => problemResponse(thrown, c.get('requestId')));
  app.notFound((c) =>
    problemResponse(new BurgageError('not_found', { message: `There is nothing at ${c.req.path}.` }), c.get('requestId')),
  );

  app.use(aroundRequest(ports));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allow = methods.toSorted().join(', ');
        return problemResponse(
          new BurgageError('method_not_allowed', { message: `${c.req.path} takes ${allow}, not ${c.req.method}.`, metadata: { allow } }),
          c.get('requestId'),
        );
      },
    }),
  );
  mountDocs(app, () => documentOf(app));
  app.use('/v1/*', authenticate(adminToken));
  mountTenants(app, ports);
  mountTenantChanges(app, ports);
  mountPlans(app, ports);
  mountOperations(app, ports);
  mountOrphans(app, ports);
  mountGateways(app, ports);
  mountAudit(app, ports);
  return app;
}

function documentOf(app: OpenAPIHono<ApiEnv>): object {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    description: 'The token from the file that `npm start` names.',
  });
  app.openAPIRegistry.register('Progress', ProgressSchema);
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Burgage API',
      version: '1',
      description:
        'Signs tenants up, changes them, and shows what becomes of them. Errors are problem+json (RFC 9457): `type` is `urn:burgage:error:` and the code, `help` leads to its description at [/v1/docs/errors](/v1/docs/errors).',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [
      { name: 'tenants', description: 'Customer organisations and the plans they can be on.' },
      { name: 'operations', description: 'Durable changes to tenants.' },
      { name: 'orphans', description: 'What was made for tenants and nobody owns any more.' },
      { name: 'gateways', description: 'What stands between tenants and their users.' },
      { name: 'audit', description: 'Who asked for which change.' },
      { name: 'api', description: 'The api itself.' },
    ],
  });
}
