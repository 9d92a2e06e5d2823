// The document: valid OpenAPI 3.1, complete, and true of what the api really answers.

import { errorCatalogue } from '@burgage/contracts';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';

interface Media {
  schema: object;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}
interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: object[];
  requestBody?: { content: Record<string, Media> };
  parameters?: { name: string; in: string; description?: string; schema: { example?: unknown } }[];
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

let rig: Rig;
let document: Document;
let operations: [string, string, Operation][];
/** Checks values against schemas of the document, references and all. */
let ajv: Ajv2020;

beforeAll(async () => {
  rig = await startRig();
  document = (await (await fetch(`${rig.url}/v1/openapi.json`)).json()) as Document;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [method, path, operation]),
  );
  ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'document', components: document.components });
});
afterAll(() => rig.stop());

function misfits(schema: object, value: unknown): unknown {
  const text = JSON.stringify(schema).replaceAll('"#/', '"document#/');
  const validate = ajv.compile(JSON.parse(text));
  return validate(value) ? undefined : validate.errors;
}

test('the document is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate({ ...structuredClone(document) });
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
  expect(document.openapi).toBe('3.1.0');
});

test('every operation has an id of its own, a summary, a description, a tag, and its errors with examples', () => {
  const ids = operations.map(([, , { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).not.toContain(undefined);
  for (const [method, path, operation] of operations) {
    const where = `${method} ${path}`;
    expect(operation.summary, where).toMatch(/^[A-Z].*[^.]$/);
    expect(operation.description, where).toMatch(/\.$/);
    expect(operation.tags, where).toHaveLength(1);
    const problems = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400);
    expect(problems.length, where).toBeGreaterThan(0);
    if (operation.security === undefined) expect(Object.keys(operation.responses), where).toContain('401');
    for (const [status, response] of problems) {
      const examples = Object.entries(response.content?.['application/problem+json']?.examples ?? {});
      expect(examples.length, `${where} ${status}`).toBeGreaterThan(0);
      for (const [code] of examples) expect(errorCatalogue[code as keyof typeof errorCatalogue].http, code).toBe(Number(status));
    }
  }
});

test('every example fits its schema', () => {
  for (const [method, path, { requestBody, responses }] of operations) {
    for (const [type, media] of [requestBody, ...Object.values(responses)].flatMap((part) => Object.entries(part?.content ?? {}))) {
      const values = [media.example, ...Object.values(media.examples ?? {}).map(({ value }) => value)].filter(
        (value) => value !== undefined,
      );
      expect(values.length, `${method} ${path} ${type} has an example`).toBeGreaterThan(0);
      for (const value of values) expect(misfits(media.schema, value), `${method} ${path} ${type}`).toBeUndefined();
    }
  }
});

test('every path below /v1 that is served is in the document', async () => {
  const listed = operations.map(([method, path]) => `${method.toUpperCase()} ${path}`);
  expect(listed.toSorted()).toEqual([
    'DELETE /v1/orphans',
    'GET /healthz',
    'GET /v1/audit',
    'GET /v1/explain',
    'GET /v1/gateways',
    'GET /v1/operations',
    'GET /v1/operations/{operation}',
    'GET /v1/operations/{operation}/progress',
    'GET /v1/orphans',
    'GET /v1/plans',
    'GET /v1/tap',
    'GET /v1/tenants',
    'GET /v1/tenants/{tenant}',
    'POST /v1/gateways/{gateway}/accept-snapshot',
    'POST /v1/operations/{operation}/cancel',
    'POST /v1/operations/{operation}/retry',
    'POST /v1/tenants',
    'POST /v1/tenants/{tenant}/move',
    'POST /v1/tenants/{tenant}/plan',
    'POST /v1/tenants/{tenant}/resume',
    'POST /v1/tenants/{tenant}/suspend',
    'POST /v1/tenants/{tenant}/terminate',
  ]);
});

test('what the api answers, well or not, is what the document says', async () => {
  rig.registry.addGateway('gw-1', await rig.gatewayAdmin(), { snapshotHeld: true });
  rig.registry.addGateway('gw-2', '');
  rig.provisioner.addPossession({ id: 'instance/ten_1', kind: 'instance', tenantId: 'ten_1', detail: 'running', orphan: true });
  const json = { 'content-type': 'application/json' };
  const post = (body: object, headers = {}) => ({ method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });
  const acme = { company: 'Acme', plan: 'trial', owner: 'owner@acme.test', slug: 'acme' };
  rig.provisioner.failingStep = 'health';
  const failing = rig.ask('/v1/tenants', post({ ...acme, slug: 'failing' }));
  await failing;
  rig.provisioner.failingStep = undefined;

  const asked: [string, string, Promise<Response>][] = [
    ['post', '/v1/tenants', rig.ask('/v1/tenants', post(acme))],
    ['post', '/v1/tenants', rig.ask('/v1/tenants', post({ ...acme, plan: 'gold' }))],
    ['post', '/v1/tenants', rig.ask('/v1/tenants', post({}))],
    ['post', '/v1/tenants', rig.ask('/v1/tenants', { method: 'POST', headers: json, body: '{' })],
    ['post', '/v1/tenants', rig.ask('/v1/tenants', { method: 'POST', body: 'x' })],
    ['post', '/v1/tenants', rig.ask('/v1/tenants', { ...post({ ...acme, company: 'x'.repeat(70_000) }) })],
    ['post', '/v1/tenants', fetch(`${rig.url}/v1/tenants`, { method: 'POST' })],
  ];
  await Promise.all(asked.map(([, , response]) => response));
  const { id } = rig.registry.find('acme');
  asked.push(
    ['get', '/v1/tenants', rig.ask('/v1/tenants?pageSize=1')],
    ['get', '/v1/tenants', rig.ask('/v1/tenants?pageSize=x')],
    ['get', '/v1/tenants/{tenant}', rig.ask('/v1/tenants/acme')],
    ['get', '/v1/tenants/{tenant}', rig.ask('/v1/tenants/nobody')],
    ['get', '/v1/operations', rig.ask('/v1/operations')],
    ['get', '/v1/operations/{operation}', rig.ask(`/v1/operations/op_provision_${id.slice(4)}`)],
    ['get', '/v1/operations/{operation}', rig.ask('/v1/operations/op_nothing')],
    ['get', '/v1/gateways', rig.ask('/v1/gateways')],
    ['get', '/v1/explain', rig.ask('/v1/explain?url=http://acme.localhost/')],
    ['get', '/v1/explain', rig.ask('/v1/explain')],
    ['get', '/v1/tap', rig.ask('/v1/tap?gateway=gw-9')],
    ['get', '/v1/tap', rig.ask('/v1/tap?status=teapot')],
    ['post', '/v1/gateways/{gateway}/accept-snapshot', rig.ask('/v1/gateways/gw-1/accept-snapshot', { method: 'POST' })],
    ['post', '/v1/gateways/{gateway}/accept-snapshot', rig.ask('/v1/gateways/gw-9/accept-snapshot', { method: 'POST' })],
    ['get', '/v1/audit', rig.ask('/v1/audit?pageSize=3')],
    ['get', '/v1/plans', rig.ask('/v1/plans')],
    ['get', '/healthz', rig.ask('/healthz')],
    ['get', '/v1/orphans', rig.ask('/v1/orphans')],
    ['delete', '/v1/orphans', rig.ask('/v1/orphans', { ...post({ ids: ['instance/ten_1', 'instance/ten_2'] }), method: 'DELETE' })],
    ['delete', '/v1/orphans', rig.ask('/v1/orphans', { ...post({ ids: [] }), method: 'DELETE' })],
  );
  for (const [verb, body] of [
    ['suspend', { hold: 'unpaid' }],
    ['resume', { hold: 'unpaid' }],
    ['plan', { plan: 'starter' }],
    ['move', { isolation: 'silo' }],
    ['move', { isolation: 'gold' }],
    ['terminate', { confirm: 'other' }],
    ['terminate', { confirm: 'acme' }],
    ['terminate', { confirm: 'acme', now: true }],
  ] as const) {
    const answered = rig.ask(`/v1/tenants/${id}/${verb}`, post(body));
    asked.push(['post', `/v1/tenants/{tenant}/${verb}`, answered]);
    await answered;
  }
  const closing = rig.provisioner.operations[0]?.operation.id;
  for (const verb of ['retry', 'cancel', 'cancel'] as const) {
    const answered = rig.ask(`/v1/operations/${closing}/${verb}`, { method: 'POST' });
    asked.push(['post', `/v1/operations/{operation}/${verb}`, answered]);
    await answered;
  }
  asked.push(['get', '/v1/tenants/{tenant}', rig.ask('/v1/tenants/acme')]);
  for (const [method, path, pending] of asked) {
    const response = await pending;
    const where = `${method} ${path} -> ${response.status}`;
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    const media = document.paths[path]?.[method]?.responses[response.status]?.content?.[type];
    expect(media, `${where} ${type} is in the document`).toBeDefined();
    expect(misfits(media?.schema ?? {}, await response.json()), where).toBeUndefined();
  }
});

test('the pages load nothing from elsewhere and nothing inline', async () => {
  for (const path of ['/v1/docs', '/v1/docs/errors']) {
    const response = await fetch(rig.url + path);
    const html = await response.text();
    for (const [, address = ''] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
      if (address.startsWith('#') || address === 'data:,') continue;
      expect(address).toMatch(/^\/v1\//);
      expect((await fetch(rig.url + address)).status, address).toBe(200);
    }
    expect(html).not.toMatch(/<style|style=|onclick|<script>/);
  }
});

test('nothing but the assets of the pages is served', async () => {
  for (const name of ['package.json', '..%2fservice.ts', 'index.html', 'constructor']) {
    expect((await rig.ask(`/v1/docs/assets/${name}`)).status).toBe(404);
  }
});

test('the page of errors has every code', async () => {
  const html = await (await fetch(`${rig.url}/v1/docs/errors`)).text();
  for (const code of Object.keys(errorCatalogue)) expect(html).toContain(`id="${code}"`);
});
