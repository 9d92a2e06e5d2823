// Holds the app's client to its answers: what each status means, and that only the platform's token is sent.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createContextIssuer, generateContextKey } from '@burgage/app-kit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AppAddress, TenantApp, TenantSummary } from '../domain/ports.ts';
import { createHttpTenantApp } from './http-tenant-app.ts';

const tenant: TenantSummary = {
  id: 'ten_A',
  slug: 'acme',
  company: 'Acme',
  plan: 'trial',
  isolation: 'pool',
  state: 'provisioning',
  ownerEmail: 'a@b.test',
  color: '#336699',
};

let server: Server;
let endpoint: string;
let at: AppAddress;
let app: TenantApp;
let answer: { status: number; body?: string; headers?: Record<string, string>; never?: boolean };
let asked: IncomingMessage[];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request);
    request.resume();
    if (answer.never) return;
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  at = { upstream: 'desk-shared', place: 'own', address: endpoint };
  const issuer = createContextIssuer([await generateContextKey()], { now: () => new Date() });
  app = createHttpTenantApp({ issuer, readyPath: '/readyz' });
});

afterAll(() => {
  server.close().closeAllConnections();
});

beforeEach(() => {
  asked = [];
  answer = { status: 200 };
});

const fence = { operationId: 'op_A', token: 7 };
const signal = (): AbortSignal => AbortSignal.timeout(5_000);

describe('the app of a tenant', () => {
  test('is told to prepare, with a token of the platform', async () => {
    await app.prepare(at, tenant, fence, signal());
    expect(asked[0]?.method).toBe('PUT');
    expect(asked[0]?.url).toBe('/_burgage/tenants/ten_A?place=own');
    expect(asked[0]?.headers['burgage-fence']).toBe('7');
    const claims = JSON.parse(Buffer.from(asked[0]?.headers.authorization?.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ aud: 'desk-shared', sub: 'platform', scope: 'lifecycle' });
  });

  test.each([
    [500, 'app_unhealthy'],
    [503, 'app_unhealthy'],
    [429, 'app_unhealthy'],
    [401, 'app_refused'],
    [404, 'app_refused'],
    [302, 'app_refused'],
  ])('that answers %i is an error %s, without its words in the public message', async (status, code) => {
    answer = { status, body: 'secret inner text', headers: { location: `http://${endpoint}/elsewhere` } };
    const error = await app.putOwner(at, 'ten_A', 'a@b.test', fence, signal()).catch((thrown) => thrown);
    expect(error).toMatchObject({ code });
    expect(error.message).not.toContain('secret');
    expect(asked).toHaveLength(1);
  });

  test('that has seen a later attempt, or has no room, says so', async () => {
    answer = { status: 409, body: JSON.stringify({ code: 'fenced', metadata: { seen: '12' } }) };
    await expect(app.freeze(at, 'ten_A', 'a move', fence, signal())).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '12' } });
    answer = { status: 507, body: JSON.stringify({ code: 'disk_full' }) };
    await expect(app.remove(at, 'ten_A', fence, signal())).rejects.toMatchObject({ code: 'disk_full' });
  });

  test('is ready only when it says so for this tenant', async () => {
    await app.checkReady(at, tenant, signal());
    expect(asked[0]?.headers['burgage-context']).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    answer = { status: 503 };
    await expect(app.checkReady(at, tenant, signal())).rejects.toMatchObject({ code: 'app_unhealthy' });
  });

  test('may answer an invitation only with a path of its own', async () => {
    answer = { status: 200, body: JSON.stringify({ path: '/welcome?token=x' }) };
    expect(await app.inviteOwner(at, 'ten_A', fence, signal())).toBe('/welcome?token=x');
    for (const path of ['//evil.test/', 'http://evil.test/', '', 7]) {
      answer = { status: 200, body: JSON.stringify({ path }) };
      await expect(app.inviteOwner(at, 'ten_A', fence, signal())).rejects.toMatchObject({ code: 'app_refused' });
    }
  });

  test('gives an archive whole, however late it is read, and whatever is collected as garbage meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    answer = { status: 200, body: 'one\ntwo\n' };
    const archive = await app.archive(at, 'ten_A', signal());
    for (let round = 0; round < 5; round += 1) {
      collect();
      await sleep(5);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of archive) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('one\ntwo\n');
  });

  test('that does not answer, or is not there, is tried again later', async () => {
    answer = { status: 200, never: true };
    await expect(app.prepare(at, tenant, fence, AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(app.prepare({ ...at, address: '127.0.0.1:1' }, tenant, fence, signal())).rejects.toMatchObject({
      code: 'upstream_unreachable',
    });
  });
});
