// Desk as one Hono app: who a request is for, who sends it, and which routes answer.
import {
  type ContextVerifier,
  contextHeader,
  ProblemError,
  placeOf,
  problemResponse,
  type TenantContext,
  type TenantData,
  type TenantHandle,
} from '@burgage/app-kit';
import { lifecycleRoutes, tenantContext } from '@burgage/app-kit/hono';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { createAccounts } from './accounts.ts';
import { createApi } from './api.ts';
import type { DeskEnv } from './env.ts';
import { createDeskMetrics } from './metrics.ts';
import { requireOwnOrigin } from './origin.ts';
import { createPages } from './pages.ts';
import { createPasswords } from './passwords.ts';
import { createRecords } from './records.ts';
import { sessionTokenOf } from './session-cookie.ts';
import { newId, type Sources, systemSources } from './sources.ts';
import { contacts } from './tables.ts';
import { errorPage } from './views/error.ts';

const bodyBytesMax = 64 * 1024;

export interface DeskOptions {
  readonly verifier: ContextVerifier;
  /** Opened with the migrations and tables of tables.ts. */
  readonly data: TenantData;
  /** Hears of errors that are nobody's fault but desk's. */
  readonly onError: (error: unknown) => void;
  /** False while the process drains. */
  readonly isReady?: () => boolean;
  readonly sources?: Sources;
}

export function createDesk({ verifier, data, onError, isReady = () => true, sources = systemSources }: DeskOptions): Hono<DeskEnv> {
  const accounts = createAccounts(sources, createPasswords(sources));
  const records = createRecords(sources);
  const metrics = createDeskMetrics();
  /** A process of one tenant keeps no pool, whatever a context from before a move says. */
  const rowsOf = (tenant: TenantContext): TenantHandle =>
    data.for(tenant.tenantId, verifier.tenantId === undefined ? placeOf(tenant) : 'own');
  const app = new Hono<DeskEnv>();

  app.onError((error, c) => {
    if (!(error instanceof ProblemError)) onError(error);
    return c.get('tenant') && !c.req.path.startsWith('/api/') ? errorPage(c, error) : problemResponse(error);
  });
  app.notFound(() => {
    throw new ProblemError('not_found');
  });

  app.use(metrics.middleware);
  app.all('/_burgage/*', lifecycleRoutes({ verifier, data, owners: accounts.owners, onError }));
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/metrics', async (c) => {
    // What carries a tenant's context came through the gateway, from anybody: the process's figures are not for them.
    if (c.req.header(contextHeader)) throw new ProblemError('not_found');
    return c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType });
  });
  app.get('/readyz', async (c) => {
    if (!isReady()) throw new ProblemError('unavailable', { message: 'The app is about to stop.' });
    const token = c.req.header(contextHeader);
    if (token)
      rowsOf(await verifier.tenant(token))
        .table(contacts)
        .list({ limit: 1 });
    return c.json({ status: 'ready' });
  });

  app.use(tenantContext(verifier));
  app.use(async (c, next) => {
    c.set('nonce', newId(sources));
    await next();
  });
  app.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: () => problemResponse(new ProblemError('body_too_large', { message: `The body may have ${bodyBytesMax} bytes.` })),
    }),
  );
  app.use(async (c, next) => {
    c.header('cache-control', 'no-store');
    c.header('x-content-type-options', 'nosniff');
    requireOwnOrigin(c.req.raw);
    const tenantRows = rowsOf(c.get('tenant'));
    const token = sessionTokenOf(c);
    c.set('data', tenantRows);
    c.set('sessionToken', token);
    c.set('owner', accounts.signedIn(tenantRows, token));
    await next();
  });
  app.route('/api', createApi(accounts, records));
  app.route('/', createPages(accounts, records));
  return app;
}
