// Gateways and explanations, through real HTTP to real admin endpoints.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';
import { ExplainAnswerSchema, GatewayListSchema } from '../schemas/gateways.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.stop());

const explain = (url: string) => rig.ask(`/v1/explain?url=${encodeURIComponent(url)}`);

test('gateways are listed with how far each is', async () => {
  rig.registry.addGateway('gw-1', '127.0.0.1:1');
  rig.registry.addGateway('gw-2', '', { appliedRevision: 40n });
  rig.registry.addGateway('gw-3', '', { snapshotHeld: true });
  const list = GatewayListSchema.strict().parse(await (await rig.ask('/v1/gateways')).json());
  expect(list.revision).toBe(42);
  expect(list.items.map(({ id, inSync, appliedRevision }) => [id, inSync, appliedRevision])).toEqual([
    ['gw-1', true, 42],
    ['gw-2', false, 40],
    ['gw-3', false, 42],
  ]);
});

test('a gateway is listed with another process that has had its id for long', async () => {
  rig.registry.addGateway('gw-1', '127.0.0.1:1', { twin: { bootId: 'other-boot', adminAddress: '127.0.0.1:2' } });
  const list = GatewayListSchema.strict().parse(await (await rig.ask('/v1/gateways')).json());
  expect(list.items).toMatchObject([{ id: 'gw-1', bootId: 'gw-1-boot', twin: { bootId: 'other-boot', adminAddress: '127.0.0.1:2' } }]);
});

test('every connected gateway explains, and one that cannot says so beside the others', async () => {
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin());
  rig.registry.addGateway('gw-gone', '127.0.0.1:1');
  rig.registry.addGateway('gw-mute', '');
  const answer = ExplainAnswerSchema.strict().parse(await (await explain('http://acme.localhost:8080/path')).json());
  expect(answer.gateways).toMatchObject([
    { id: 'gw-1', explanation: { normalizedHost: 'acme.localhost', answer: { status: 200 } } },
    { id: 'gw-gone', error: { code: 'unavailable' } },
    { id: 'gw-mute', error: { code: 'unavailable', detail: 'The gateway gw-mute has no admin address.' } },
  ]);
});

test('an error of the gateway is passed on in its own words', async () => {
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin());
  expect(await (await explain('http://bad..host/')).json()).toMatchObject({
    gateways: [{ id: 'gw-1', error: { code: 'bad_request', detail: 'The host has an empty label.' } }],
  });
});

test('without a gateway the answer says that there is none', async () => {
  expect(await (await explain('http://acme.localhost/')).json()).toMatchObject({ status: 503, code: 'no_gateway' });
});

test.each(['', 'acme.localhost', 'http://', 'https:// /x', 'http:///path', 'ftp://acme.localhost', `http://${'a'.repeat(2048)}/`])(
  'the address %j is refused',
  async (url) => {
    expect(await (await explain(url)).json()).toMatchObject({ status: 422, fields: [{ field: 'url' }] });
  },
);

test('a snapshot that is held back can be accepted on the gateway that holds it', async () => {
  const accept = (id: string) => rig.ask(`/v1/gateways/${id}/accept-snapshot`, { method: 'POST' });
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin(), { snapshotHeld: true });
  rig.registry.addGateway('gw-2', await rig.gatewayAdmin());
  expect(await (await accept('gw-1')).json()).toEqual({ id: 'gw-1', accepted: true });
  expect(await (await accept('gw-2')).json()).toMatchObject({ status: 409, code: 'snapshot_not_held' });
  expect(await (await accept('gw-9')).json()).toMatchObject({ status: 404, code: 'gateway_not_found' });
});

test.each([
  ['http://acme.localhost:8080/', undefined],
  ['http://ACME.localhost:8080', undefined],
  ['http://acme.localhost/', 'This address asks http, port 80; tenants are served at http, port 8080.'],
  ['https://acme.localhost:8080/', 'This address asks https, port 8080; tenants are served at http, port 8080.'],
  ['https://acme.localhost/', 'This address asks https, port 443; tenants are served at http, port 8080.'],
])('where a request for %s would not come to a gateway at all, the answer says so', async (url, note) => {
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin());
  expect(ExplainAnswerSchema.strict().parse(await (await explain(url)).json()).note).toBe(note);
});

/** The first events of a stream, which is left then. */
async function firstEvents(path: string, count: number): Promise<{ readonly event: string; readonly data: Record<string, unknown> }[]> {
  const leaving = new AbortController();
  const response = await rig.ask(path, { signal: leaving.signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  let text = '';
  for await (const bytes of response.body ?? []) {
    text += new TextDecoder().decode(bytes);
    if (text.split('event: ').length > count && text.endsWith('\n\n')) break;
  }
  leaving.abort();
  return [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(([, event = '', data = '']) => ({ event, data: JSON.parse(data) }));
}

test('requests are shown as every gateway answers them, with the gateway, and with what was left out', async () => {
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin());
  rig.registry.addGateway('gw-2', await rig.gatewayAdmin());
  rig.registry.addGateway('gw-gone', '127.0.0.1:1');
  const events = await firstEvents('/v1/tap?host=acme.localhost&status=5xx', 8);
  expect(
    events
      .filter(({ event }) => event === 'record')
      .map(({ data }) => `${data.gateway} ${data.status} ${data.path}`)
      .toSorted(),
  ).toEqual(['gw-1', 'gw-2'].flatMap((id) => [200, 404, 502].map((status) => `${id} ${status} /host=acme.localhost&status=5xx`)));
  expect(events.filter(({ event }) => event === 'dropped').map(({ data }) => data)).toEqual(
    expect.arrayContaining([
      { gateway: 'gw-1', dropped: 7 },
      { gateway: 'gw-2', dropped: 7 },
    ]),
  );
});

test('requests of one tenant are asked for by its id, of one gateway from that one', async () => {
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin());
  rig.registry.addGateway('gw-2', await rig.gatewayAdmin());
  const created = await rig.ask('/v1/tenants', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ company: 'Acme', plan: 'trial', owner: 'owner@acme.test', slug: 'acme' }),
  });
  const { tenant } = (await created.json()) as { tenant: { id: string } };
  const events = await firstEvents('/v1/tap?tenant=acme&gateway=gw-2', 4);
  expect(new Set(events.map(({ data }) => data.gateway))).toEqual(new Set(['gw-2']));
  expect(events[0]?.data.path).toBe(`/tenant=${tenant.id}`);
});

test.each([
  ['status=teapot', 422, 'invalid_argument'],
  ['tenant=nobody', 404, 'tenant_not_found'],
  ['gateway=gw-9', 404, 'gateway_not_found'],
  ['gateway=gw-gone', 503, 'unavailable'],
])('a tap of %s is refused before anything is streamed', async (query, status, code) => {
  rig.registry.addGateway('gw-gone', '127.0.0.1:1');
  expect(await (await rig.ask(`/v1/tap?${query}`)).json()).toMatchObject({ status, code });
});
