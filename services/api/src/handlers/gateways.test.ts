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
