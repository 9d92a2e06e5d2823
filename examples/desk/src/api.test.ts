import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type RequestOptions, startDesk, type TestDesk } from './testing.ts';

const tenant = 'ten_one';
let desk: TestDesk;
let session: string;
beforeAll(async () => {
  desk = await startDesk();
  session = await desk.prepareSignedIn(tenant);
});
afterAll(async () => {
  await desk[Symbol.asyncDispose]();
  expect(desk.errors).toEqual([]);
});

const call = (path: string, { headers, ...options }: RequestOptions = {}) =>
  desk.visit(tenant, `/api${path}`, { ...options, headers: { authorization: `Bearer ${session}`, ...headers } });
const idsOf = async (path: string): Promise<string[]> => (await call(path)).json().items.map(({ id }: { id: string }) => id);
beforeEach(async () => {
  for (const kind of ['/deals', '/contacts'])
    for (const id of await idsOf(`${kind}?limit=100`)) await call(`${kind}/${id}`, { method: 'DELETE' });
});

test('a contact is created, read, changed and deleted', async () => {
  const created = await call('/contacts', { json: { name: ' Größe ', email: 'anna@example.com', company: '' } });
  const contact = created.json();
  expect(created.status).toBe(201);
  expect(created.headers.location).toBe(`/api/contacts/${contact.id}`);
  expect(contact).toEqual({
    id: contact.id,
    name: 'Größe',
    email: 'anna@example.com',
    phone: null,
    company: null,
    notes: null,
    createdAtMs: contact.createdAtMs,
    updatedAtMs: contact.createdAtMs,
  });
  expect((await call(`/contacts/${contact.id}`)).json()).toEqual(contact);
  desk.advance(1_000);
  expect((await call(`/contacts/${contact.id}`, { method: 'PATCH', json: { email: null, phone: '1' } })).json()).toEqual({
    ...contact,
    email: null,
    phone: '1',
    updatedAtMs: contact.updatedAtMs + 1_000,
  });
  expect((await call(`/contacts/${contact.id}`, { method: 'DELETE' })).status).toBe(204);
  for (const method of ['GET', 'DELETE'])
    expect((await call(`/contacts/${contact.id}`, { method })).json()).toMatchObject({ status: 404, code: 'not_found' });
});

test('a deal belongs to a contact, and stays without one when the contact is deleted', async () => {
  const contactId = (await call('/contacts', { json: { name: 'Anna' } })).json().id;
  const deal = (await call('/deals', { json: { title: 'Solar', amountMinor: 123_456, stage: 'lead', contactId } })).json();
  expect(deal).toMatchObject({ title: 'Solar', amountMinor: 123_456, stage: 'lead', contactId });
  expect((await call(`/deals/${deal.id}`, { method: 'PATCH', json: { stage: 'won' } })).json()).toMatchObject({ stage: 'won', contactId });
  expect((await call('/usage')).json()).toEqual({ contacts: 1, deals: 1 });
  expect((await call(`/contacts/${contactId}`, { method: 'DELETE' })).status).toBe(204);
  expect((await call(`/deals/${deal.id}`)).json()).toMatchObject({ stage: 'won', contactId: null });
});

test('lists are newest first, come in pages that do not shift under new rows, and are searched by word', async () => {
  const created: string[] = [];
  for (const name of ['Anna Berg', 'Bruno Berg', 'Carla Tal', 'Dora Berg', 'Émile Tal']) {
    desk.advance(1_000);
    created.unshift((await call('/contacts', { json: { name } })).json().id);
  }
  const first = (await call('/contacts?limit=2')).json();
  await call('/contacts', { json: { name: 'Frida' } });
  const second = (await call(`/contacts?limit=2&cursor=${first.nextCursor}`)).json();
  const third = (await call(`/contacts?limit=2&cursor=${second.nextCursor}`)).json();
  expect([...first.items, ...second.items, ...third.items].map(({ id }) => id)).toEqual(created);
  expect(third).not.toHaveProperty('nextCursor');
  expect((await call('/contacts?q=berg')).json().items.map(({ name }: { name: string }) => name)).toEqual([
    'Dora Berg',
    'Bruno Berg',
    'Anna Berg',
  ]);
  expect((await call('/contacts?q=EMILE%20tal')).json().items).toHaveLength(1);
  const pageOfBergs = (await call('/contacts?q=berg&limit=2')).json();
  expect(
    (await call(`/contacts?q=berg&limit=2&cursor=${pageOfBergs.nextCursor}`)).json().items.map(({ name }: { name: string }) => name),
  ).toEqual(['Anna Berg']);
});

test('what is not valid is refused with the field named, and changes nothing', async () => {
  const deal = { title: 'x', amountMinor: 1, stage: 'lead' };
  const cases: [string, RequestOptions, number, string, string?][] = [
    ['/contacts', { body: '{', headers: { 'content-type': 'application/json' } }, 400, 'malformed_body'],
    ['/contacts', { body: 'name=x' }, 415, 'unsupported_media_type'],
    ['/contacts', { json: [] }, 422, 'invalid_argument', 'body'],
    ['/contacts', { json: {} }, 422, 'invalid_argument', 'name'],
    ['/contacts', { json: { name: '  ' } }, 422, 'invalid_argument', 'name'],
    ['/contacts', { json: { name: 'x'.repeat(201) } }, 422, 'invalid_argument', 'name'],
    ['/contacts', { json: { name: 'a\0b' } }, 422, 'invalid_argument', 'name'],
    ['/contacts', { body: '{"name":"\\ud800"}', headers: { 'content-type': 'application/json' } }, 422, 'invalid_argument', 'name'],
    ['/contacts', { json: { name: 'x', email: 'nobody' } }, 422, 'invalid_argument', 'email'],
    ['/contacts', { json: { name: 'x', tenant_id: 'ten_other' } }, 422, 'invalid_argument', 'tenant_id'],
    ['/contacts', { json: { name: 'x', notes: 'x'.repeat(100_000) } }, 413, 'body_too_large'],
    ['/deals', { json: { ...deal, amountMinor: 1.5 } }, 422, 'invalid_argument', 'amountMinor'],
    ['/deals', { json: { ...deal, amountMinor: -1 } }, 422, 'invalid_argument', 'amountMinor'],
    ['/deals', { json: { ...deal, stage: 'sold' } }, 422, 'invalid_argument', 'stage'],
    ['/deals', { json: { ...deal, contactId: 'nobody' } }, 422, 'invalid_argument', 'contactId'],
    ['/contacts?limit=0', {}, 422, 'invalid_argument', 'limit'],
    ['/contacts?limit=x', {}, 422, 'invalid_argument', 'limit'],
    ['/contacts?cursor=x', {}, 422, 'invalid_argument', 'cursor'],
    ['/contacts?offset=1', {}, 422, 'invalid_argument', 'offset'],
    ['/session', { json: { email: 'x' } }, 422, 'invalid_argument', 'password'],
    ['/nowhere', {}, 404, 'not_found'],
    ['/contacts', { method: 'PUT', json: {} }, 404, 'not_found'],
  ];
  for (const [path, options, status, code, field] of cases) {
    const answer = await call(path, options);
    expect(answer.json(), `${path} ${JSON.stringify(options).slice(0, 80)}`).toMatchObject({
      type: `urn:burgage:error:${code}`,
      status,
      code,
      ...(field && { fields: [{ field }] }),
    });
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
  }
  expect((await call('/usage')).json()).toEqual({ contacts: 0, deals: 0 });
});

test('nothing is told to who has not signed in', async () => {
  for (const path of ['/contacts', '/deals', '/usage', '/contacts/x', '/nowhere'])
    for (const authorization of ['', 'Bearer x', `Basic ${session}`, 'Bearer '])
      expect((await call(path, { headers: { authorization } })).json(), path).toMatchObject({ status: 401, code: 'unauthenticated' });
});
