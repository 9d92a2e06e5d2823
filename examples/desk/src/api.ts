// The JSON API under /api: sessions, contacts, deals, usage.
import { ProblemError } from '@burgage/app-kit';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { z } from 'zod';
import type { Accounts } from './accounts.ts';
import type { DeskEnv } from './env.ts';
import { contactChangesSchema, contactSchema, dealChangesSchema, dealSchema, listSchema, parsed, type Records } from './records.ts';
import { visitorOf } from './session-cookie.ts';
import { contacts, deals } from './tables.ts';

const credentialsSchema = z.strictObject({ email: z.string().max(254), password: z.string().max(256) });

export function createApi(accounts: Accounts, records: Records): Hono<DeskEnv> {
  const api = new Hono<DeskEnv>();

  api.post('/session', async (c) => {
    const credentials = parsed(credentialsSchema, await jsonBody(c));
    const { token, expiresAt } = await accounts.signIn(c.get('data'), credentials, visitorOf(c));
    return c.json({ token, expiresAt: expiresAt.toISOString() }, 201);
  });

  api.use(requireSession);

  api.delete('/session', (c) => {
    accounts.signOut(c.get('data'), c.get('sessionToken') ?? '');
    return c.body(null, 204);
  });
  api.get('/usage', (c) => c.json({ contacts: c.get('data').table(contacts).count(), deals: c.get('data').table(deals).count() }));

  api.post('/contacts', async (c) => {
    const contact = records.createContact(c.get('data'), parsed(contactSchema, await jsonBody(c)));
    return c.json(contact, 201, { location: `/api/contacts/${contact.id}` });
  });
  api.get('/contacts', (c) => c.json(pageBody(records.listContacts(c.get('data'), parsed(listSchema, c.req.query())))));
  api.get('/contacts/:id', (c) => c.json(records.contact(c.get('data'), c.req.param('id'))));
  api.patch('/contacts/:id', async (c) =>
    c.json(records.updateContact(c.get('data'), c.req.param('id'), parsed(contactChangesSchema, await jsonBody(c)))),
  );
  api.delete('/contacts/:id', (c) => {
    records.deleteContact(c.get('data'), c.req.param('id'));
    return c.body(null, 204);
  });

  api.post('/deals', async (c) => {
    const deal = records.createDeal(c.get('data'), parsed(dealSchema, await jsonBody(c)));
    return c.json(deal, 201, { location: `/api/deals/${deal.id}` });
  });
  api.get('/deals', (c) => c.json(pageBody(records.listDeals(c.get('data'), parsed(listSchema, c.req.query())))));
  api.get('/deals/:id', (c) => c.json(records.deal(c.get('data'), c.req.param('id'))));
  api.patch('/deals/:id', async (c) =>
    c.json(records.updateDeal(c.get('data'), c.req.param('id'), parsed(dealChangesSchema, await jsonBody(c)))),
  );
  api.delete('/deals/:id', (c) => {
    records.deleteDeal(c.get('data'), c.req.param('id'));
    return c.body(null, 204);
  });

  return api;
}

const requireSession: MiddlewareHandler<DeskEnv> = async (c, next) => {
  if (c.get('owner') === undefined)
    throw new ProblemError('unauthenticated', { message: 'Sign in with POST /api/session and send its token as Authorization: Bearer.' });
  await next();
};

function pageBody<T>({ rows, nextCursor }: { rows: T[]; nextCursor?: string }): { items: T[]; nextCursor?: string } {
  return { items: rows, ...(nextCursor !== undefined && { nextCursor }) };
}

async function jsonBody(c: Context): Promise<unknown> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new ProblemError('unsupported_media_type', { message: `Expected the Content-Type application/json; got ${type ?? 'none'}.` });
  try {
    return await c.req.json();
  } catch (cause) {
    if (cause instanceof ProblemError) throw cause;
    throw new ProblemError('malformed_body', { message: 'The body is not JSON.', cause });
  }
}
