// What holds for every request: tokens, bodies, methods, ids, headers, logs, figures.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminToken, type Rig, startRig } from '../test/rig.ts';
import { ProblemSchema } from './schemas/common.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

const json = { 'content-type': 'application/json' };
const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) =>
  rig.ask('/v1/tenants', { method: 'POST', headers, body });

test.each([
  ['no token', undefined],
  ['a wrong token', 'Bearer wrong'],
  ['a longer token that begins right', `Bearer ${adminToken}x`],
  ['another scheme', `Basic ${adminToken}`],
  ['no scheme', adminToken],
  ['two tokens', `Bearer ${adminToken} ${adminToken}`],
  ['an empty token', 'Bearer '],
])('%s is answered with 401, whatever the address, and nothing is done', async (_name, authorization) => {
  for (const path of ['/v1/tenants', '/v1/nothing', '/v1/tenants/x', '/v1/audit']) {
    const response = await fetch(rig.url + path, { headers: authorization === undefined ? {} : { authorization } });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="burgage"');
    const problem = ProblemSchema.strict().parse(await response.json());
    expect(problem.code).toBe('unauthenticated');
    expect(JSON.stringify(problem)).not.toContain(adminToken);
  }
});

test('the scheme may be written as anyone likes', async () => {
  expect((await rig.ask('/v1/plans', { headers: { authorization: `bEaReR ${adminToken}` } })).status).toBe(200);
});

test('health, document and pages need no token', async () => {
  for (const path of ['/healthz', '/v1/openapi.json', '/v1/docs', '/v1/docs/errors', '/v1/docs/assets/swagger-ui-bundle.js']) {
    expect((await fetch(rig.url + path)).status).toBe(200);
  }
});

test.each([
  ['cut off', '{"company":', /^is not JSON: ./],
  ['words', 'hello', /^is not JSON: ./],
  ['nothing', '', /^is empty$/],
  ['bytes that are not UTF-8', Buffer.from([...Buffer.from('{"company":"'), 0xff, 0xfe, ...Buffer.from('"}')]), /^is not UTF-8$/],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /^is not UTF-8$/],
])('a body that is malformed (%s) is refused with what is wrong about it', async (_name, body, description) => {
  const response = await post(body);
  const problem = ProblemSchema.parse(await response.json());
  expect([response.status, problem.code]).toEqual([400, 'malformed_body']);
  expect(problem.fields).toEqual([{ field: 'body', description: expect.stringMatching(description) }]);
  expect(problem.detail).toBe(`body: ${problem.fields?.[0]?.description}`);
});

test.each([['7'], ['[]'], ['null'], ['"text"']])('the body %s is refused in words of the house', async (body) => {
  const problem = ProblemSchema.parse(await (await post(body)).json());
  expect(problem.fields).toEqual([{ field: 'body', description: `is ${body}; expected an object with company, plan and owner` }]);
});

test.each([
  ['text/plain', 'is "text/plain"; expected application/json'],
  ['application/x-www-form-urlencoded', 'is "application/x-www-form-urlencoded"; expected application/json'],
  ['application/jsonx', 'is "application/jsonx"; expected application/json'],
  ['application/json; charset=iso-8859-1', 'has the charset "iso-8859-1"; expected utf-8'],
  ['application/json;charset="UTF-16"', 'has the charset "utf-16"; expected utf-8'],
])('a body of the type %s is refused', async (type, description) => {
  expect(await (await post('{}', { 'content-type': type })).json()).toMatchObject({
    status: 415,
    code: 'unsupported_media_type',
    fields: [{ field: 'Content-Type', description }],
  });
});

test('a body whose type is not said is refused', async () => {
  const body = new Blob(['{}']);
  expect(await (await rig.ask('/v1/tenants', { method: 'POST', body })).json()).toMatchObject({
    status: 415,
    fields: [{ field: 'Content-Type', description: 'is missing; expected application/json' }],
  });
});

test.each(['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])('a body of the type %s is read', async (type) => {
  expect(await (await post('{}', { 'content-type': type })).json()).toMatchObject({ status: 422, code: 'invalid_argument' });
});

test('a body above 64 KiB is refused, with its length said or not', async () => {
  const large = JSON.stringify({ company: 'x'.repeat(70_000) });
  expect(await (await post(large)).json()).toMatchObject({ status: 413, code: 'body_too_large' });
  const stream = new Blob([large]).stream();
  const streamed = await rig.ask('/v1/tenants', { method: 'POST', headers: json, body: stream, duplex: 'half' } as RequestInit);
  expect(await streamed.json()).toMatchObject({ status: 413, code: 'body_too_large' });
});

test.each([
  ['no body', '', undefined, 400, 'malformed_body'],
  ['no body, which may be left out', '/acme/suspend', undefined, 404, 'tenant_not_found'],
  ['a body in chunks', '', '{"bogus":1}', 422, 'invalid_argument'],
])('%s without a length, as other clients than fetch send it, is read as any other', async (_name, path, body, status, code) => {
  const headers = { authorization: `Bearer ${adminToken}`, ...(body === undefined ? {} : { ...json, 'transfer-encoding': 'chunked' }) };
  const asked = request(`${rig.url}/v1/tenants${path}`, { method: 'POST', headers });
  asked.removeHeader('content-length');
  asked.useChunkedEncodingByDefault = body !== undefined;
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const problem = JSON.parse(Buffer.concat(await response.toArray()).toString());
  expect([response.statusCode, problem.code]).toEqual([status, code]);
});

test('a method that an address does not take is answered with 405 and those it takes', async () => {
  const response = await rig.ask('/v1/tenants', { method: 'DELETE' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
  expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
  expect((await rig.ask('/v1/operations/op_1', { method: 'PATCH' })).headers.get('allow')).toBe('GET, HEAD');
});

test('an address that leads nowhere is a problem that names it', async () => {
  expect(await (await rig.ask('/v1/nothing/here')).json()).toMatchObject({
    status: 404,
    code: 'not_found',
    detail: 'There is nothing at /v1/nothing/here.',
  });
  expect((await rig.ask('/nothing')).status).toBe(404);
});

test('HEAD answers as GET does, without a body', async () => {
  const response = await rig.ask('/v1/plans', { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('');
});

test('a request id of the caller is kept where it is clean, and made otherwise', async () => {
  expect((await rig.ask('/v1/plans', { headers: { 'x-request-id': 'abc-1' } })).headers.get('x-request-id')).toBe('abc-1');
  for (const given of ['a b', 'x'.repeat(65), '<script>']) {
    expect((await rig.ask('/v1/plans', { headers: { 'x-request-id': given } })).headers.get('x-request-id')).toMatch(/^[0-9A-Z]{26}$/);
  }
  for (const [path, status] of [
    ['/v1/nothing', 404],
    ['/v1/tenants?pageSize=x', 422],
  ] as const) {
    const response = await rig.ask(path, { headers: { 'x-request-id': 'abc-2' } });
    expect([response.status, response.headers.get('x-request-id')]).toEqual([status, 'abc-2']);
    expect(await response.json()).toMatchObject({ requestId: 'abc-2' });
  }
  const wrongToken = await rig.ask('/v1/plans', { headers: { authorization: 'Bearer wrong' } });
  expect(wrongToken.headers.get('x-request-id')).toBe(((await wrongToken.json()) as { requestId: string }).requestId);
  const wrongMethod = await rig.ask('/v1/plans', { method: 'DELETE' });
  expect(wrongMethod.headers.get('x-request-id')).toBe(((await wrongMethod.json()) as { requestId: string }).requestId);
});

test('every answer carries safe headers, and data is not cached', async () => {
  for (const path of ['/v1/plans', '/v1/nothing', '/healthz', '/v1/docs']) {
    const { headers } = await rig.ask(path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
    expect(headers.get('x-powered-by')).toBeNull();
  }
});

test('every error leads to its description', async () => {
  const problem = ProblemSchema.parse(await (await rig.ask('/v1/tenants/nobody')).json());
  expect(problem.type).toBe('urn:burgage:error:tenant_not_found');
  const page = await (await fetch(rig.url + problem.help)).text();
  expect(page).toContain('id="tenant_not_found"');
});

test('the log has a line for each request, with its id and without token or query', async () => {
  await rig.ask('/v1/tenants?plan=secretplan', { headers: { 'x-request-id': 'logged-1' } });
  const lines = (await readFile(rig.logFile, 'utf8')).trim().split('\n');
  const line = lines.map((text) => JSON.parse(text)).find(({ requestId }) => requestId === 'logged-1');
  expect(line).toMatchObject({ method: 'GET', path: '/v1/tenants', route: '/v1/tenants', status: 422, actor: 'admin' });
  expect(lines.join('')).not.toContain(adminToken);
  expect(JSON.stringify(line)).not.toContain('secretplan');
});

test('figures are kept by route, never by address, and invented methods do not make new ones', async () => {
  await rig.ask('/v1/tenants/some-raw-name');
  await rig.ask('/v1/some-raw-path');
  await rig.ask('/v1/tenants', { method: 'PROPFIND' });
  const text = await rig.metrics.registry.metrics();
  expect(text).toContain('burgage_api_requests_total{method="GET",route="/v1/tenants/:tenant",status="404"}');
  expect(text).not.toMatch(/some-raw|PROPFIND/);
});

test('what breaks inside a service shows nothing of its inside', async () => {
  const own = await startRig();
  try {
    own.registry.find = () => {
      throw new Error('secret detail of the inside');
    };
    const response = await own.ask('/v1/tenants/acme');
    expect(response.status).toBe(500);
    expect(JSON.stringify(await response.json())).not.toContain('secret detail');
  } finally {
    await own.stop();
  }
});

test('a registry that is gone is 503, once it is missed, and the health of the api itself does not depend on it', async () => {
  const own = await startRig();
  try {
    await own.registryServer.stop();
    const response = await own.ask('/v1/tenants');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'unavailable' });
    expect((await own.ask('/healthz')).status).toBe(200);
  } finally {
    await own.stop();
  }
});

test('a taken port is refused with its number', async () => {
  const { createApiService } = await import('./service.ts');
  const { createLogger, createMetrics, systemClock, systemRandom } = await import('@burgage/runtime');
  const second = createApiService({
    registryAddress: 'unix:/nonexistent',
    provisionerAddress: 'unix:/nonexistent',
    store: rig.store,
    internalToken: 'x',
    adminToken: 'x',
    catalog: { name: 'c', title: 'C', currency: 'USD', app: { name: 'a', entry: 'a', readyPath: '/' }, plans: {} },
    host: '127.0.0.1',
    port: Number(new URL(rig.url).port),
    publicUrlOf: (slug) => `http://${slug}.localhost`,
    logger: createLogger({ service: 'api', destination: rig.logFile }),
    metrics: createMetrics(),
    clock: systemClock,
    random: systemRandom,
  });
  await expect(second.start()).rejects.toMatchObject({ code: 'port_taken' });
  await second.stop();
});
