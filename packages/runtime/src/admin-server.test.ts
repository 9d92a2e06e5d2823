import { BurgageError } from '@burgage/contracts';
import { afterEach, expect, test } from 'vitest';
import { type AdminServerOptions, createAdminServer } from './admin-server.ts';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import { Readiness } from './readiness.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function makeServer(options: Partial<AdminServerOptions> = {}) {
  const readiness = new Readiness();
  const server = createAdminServer({
    port: 0,
    metrics: createMetrics(),
    readiness,
    logger: createLogger({ service: 'test', level: 'silent' }),
    ...options,
  });
  return { server, readiness };
}

async function start(options: Partial<AdminServerOptions> = {}) {
  const { server, readiness } = makeServer(options);
  await server.start();
  stops.push(server.stop);
  const get = (path: string, init?: RequestInit) => fetch(`http://${server.address()}${path}`, init);
  return { server, readiness, get };
}

test('metrics, health and readiness are public and on the loopback by default', async () => {
  const { server, readiness, get } = await start();
  expect(server.address()).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(await (await get('/metrics')).text()).toContain('process_cpu_seconds_total');
  expect((await get('/healthz')).status).toBe(200);
  readiness.set('store', false, 'opening');
  const notReady = await get('/readyz');
  expect(notReady.status).toBe(503);
  expect(await notReady.json()).toEqual({ ready: false, checks: { store: { ready: false, reason: 'opening' } } });
  readiness.set('store', true);
  expect((await get('/readyz')).status).toBe(200);
  expect((await get('/healthz', { method: 'HEAD' })).status).toBe(200);
});

test('other routes need the token, except those that are named public', async () => {
  const { get } = await start({
    token: 'right',
    publicRoutes: ['GET /jwks.json'],
    routes: {
      'GET /explain': async ({ url }) => ({ status: 200, body: { asked: url.searchParams.get('url') } }),
      'GET /jwks.json': async () => ({ status: 200, body: { keys: [] } }),
    },
  });
  for (const authorization of [undefined, 'right', 'Basic right', 'Bearer wrong', 'Bearer righ', 'Bearer ']) {
    const response = await get('/explain?url=x', authorization === undefined ? {} : { headers: { authorization } });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toMatchObject({ code: 'unauthenticated', status: 401 });
  }
  const response = await get('/explain?url=x', { headers: { authorization: 'Bearer right' } });
  expect(await response.json()).toEqual({ asked: 'x' });
  expect((await get('/jwks.json')).status).toBe(200);
});

test('a route that needs a token without there being one is refused when the server is made', () => {
  const routes = { 'POST /snapshot/accept': async () => ({ status: 204, body: '' }) } as const;
  expect(() => makeServer({ routes })).toThrow(/POST \/snapshot\/accept/);
  expect(() => makeServer({ routes, token: '' })).toThrow(BurgageError);
});

test('what is not there, another method and a failing route each have their own answer, without inner text', async () => {
  const { get } = await start({
    publicRoutes: ['GET /boom', 'GET /refuses'],
    routes: {
      'GET /boom': async () => {
        throw new Error('inner text');
      },
      'GET /refuses': async () => {
        throw new BurgageError('host_unknown');
      },
    },
  });
  expect((await get('/nothing')).status).toBe(404);
  const method = await get('/boom', { method: 'POST', body: 'x' });
  expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET']);
  const boom = await get('/boom');
  expect(boom.status).toBe(500);
  expect(boom.headers.get('content-type')).toBe('application/problem+json');
  expect(await boom.text()).not.toContain('inner text');
  expect((await get('/refuses')).status).toBe(404);
});

test('a stream goes on until its reader leaves or the server stops, and is refused like anything else', async () => {
  const ended: string[] = [];
  async function* stream(name: string, signal: AbortSignal): AsyncGenerator<string> {
    for (let line = 0; !signal.aborted; line++) {
      yield `${line}\n`;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    ended.push(name);
  }
  const { get, server } = await start({
    publicRoutes: ['GET /lines', 'GET /none'],
    routes: {
      'GET /lines': async ({ url }) => ({ status: 200, contentType: 'text/lines', stream: (signal) => stream(url.search, signal) }),
      'GET /none': async () => ({
        status: 200,
        contentType: 'text/lines',
        stream: () => {
          throw new BurgageError('overloaded');
        },
      }),
    },
  });
  const leaving = new AbortController();
  const [left, stopped] = [await get('/lines?left', { signal: leaving.signal }), await get('/lines?stopped')];
  expect([left.status, left.headers.get('content-type')]).toEqual([200, 'text/lines']);
  const reader = left.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toMatch(/^0\n/);
  leaving.abort();
  await expect.poll(() => ended).toEqual(['?left']);
  expect((await get('/none')).status).toBe(503);
  await server.stop();
  await expect(stopped.text()).rejects.toThrow();
  await expect.poll(() => ended).toEqual(['?left', '?stopped']);
});

test('a taken port is said so, and stopping twice or before the start is harmless', async () => {
  const { server } = await start();
  const { server: second } = makeServer({ port: Number(server.address().split(':')[1]) });
  await expect(second.start()).rejects.toMatchObject({ code: 'port_taken' });
  await second.stop();
  await server.stop();
  await server.stop();
});
