// What desk's tests share: desk behind a real socket, tenants with owners, and requests as a gateway would send them.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ContextIssuer,
  createContextIssuer,
  createContextVerifier,
  generateContextKey,
  openTenantData,
  type TenantClaims,
  type TenantData,
} from '@burgage/app-kit';
import { getRequestListener } from '@hono/node-server';
import { createDesk } from './app.ts';
import { systemSources } from './sources.ts';
import { migrations, tables } from './tables.ts';

export const upstream = 'desk-shared';
export const password = 'correct horse battery';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into JSON whose shape it is about to check.
  json(): any;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly form?: Record<string, string>;
  readonly body?: string;
  readonly isolation?: string;
}

export interface TestDesk extends AsyncDisposable {
  readonly issuer: ContextIssuer;
  readonly data: TenantData;
  readonly errors: unknown[];
  /** How long sign-ins were made to pause, in milliseconds; nothing really waits. */
  readonly pauses: number[];
  ready: boolean;
  now(): Date;
  advance(ms: number): void;
  /** Exactly this request, with nothing added. */
  raw(path: string, options?: RequestOptions): Promise<Answer>;
  platform(method: string, path: string, json?: unknown): Promise<Answer>;
  /** As the tenant's visitors reach it (isolation pool unless said otherwise): with the tenant's context, its host, a client's address and, for a form, its origin. */
  visit(tenantId: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Sets a tenant up; its owner's invite as a path. */
  prepare(tenantId: string): Promise<string>;
  /** The same, and its owner signed in: the session's token. */
  prepareSignedIn(tenantId: string): Promise<string>;
}

export const hostOf = (tenantId: string): string => `${tenantId.slice(4)}.desk.test`;
export const emailOf = (tenantId: string): string => `owner@${hostOf(tenantId)}`;
export const claimsOf = (tenantId: string, isolation = 'pool'): TenantClaims => ({
  sub: tenantId,
  slug: tenantId.slice(4),
  name: `Company <${tenantId}> & Co`,
  color: '#0f766e',
  plan: 'trial',
  isolation,
  limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 0 },
  features: [],
  ev: 1,
});

/** A process that tenants share, or that of one tenant. */
export async function startDesk({ tenantId }: { tenantId?: string } = {}): Promise<TestDesk> {
  const folder = mkdtempSync(join(tmpdir(), 'desk-'));
  let nowMs = Date.UTC(2026, 0, 1);
  const now = () => new Date(nowMs);
  const issuer = createContextIssuer([await generateContextKey()], { now });
  const data = openTenantData({ folder, migrations, tables, now });
  const verifier = createContextVerifier({
    jwksUrl: 'http://jwks.test/',
    audience: upstream,
    tenantId,
    now,
    fetch: async () => Response.json(issuer.jwks()),
  });
  const errors: unknown[] = [];
  const pauses: number[] = [];
  const app = createDesk({
    verifier,
    data,
    onError: (error) => errors.push(error),
    isReady: () => desk.ready,
    sources: {
      ...systemSources,
      now,
      sleep: async (ms) => {
        pauses.push(ms);
      },
    },
  });
  const server = createServer(getRequestListener(app.fetch));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const desk: TestDesk = {
    issuer,
    data,
    errors,
    pauses,
    ready: true,
    now,
    advance(ms) {
      nowMs += ms;
    },
    raw(path, { method, headers = {}, json, form, body } = {}) {
      const content = json !== undefined ? JSON.stringify(json) : form ? String(new URLSearchParams(form)) : body;
      const type = json !== undefined ? 'application/json' : form ? 'application/x-www-form-urlencoded' : undefined;
      return new Promise((resolve, reject) => {
        const request = httpRequest(
          {
            host: '127.0.0.1',
            port,
            path,
            method: method ?? (content === undefined ? 'GET' : 'POST'),
            headers: { ...(type && { 'content-type': type }), ...headers },
            agent: false,
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk) => {
              text += chunk;
            });
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) }),
            );
          },
        );
        request.on('error', reject);
        request.end(content);
      });
    },
    async platform(method, path, json) {
      return desk.raw(path, {
        method,
        headers: { authorization: `Bearer ${await issuer.platform(upstream)}` },
        ...(json !== undefined && { json }),
      });
    },
    async visit(tenantId, path, { headers, isolation, ...options } = {}) {
      const origin = options.form && { origin: `http://${hostOf(tenantId)}` };
      return desk.raw(path, {
        ...options,
        headers: {
          host: hostOf(tenantId),
          'x-forwarded-for': '192.0.2.1',
          'burgage-context': await issuer.tenantContext(claimsOf(tenantId, isolation), upstream),
          ...origin,
          ...headers,
        },
      });
    },
    async prepare(tenantId) {
      await desk.platform('PUT', `/_burgage/tenants/${tenantId}`, { slug: tenantId.slice(4), name: tenantId, color: '#0f766e' });
      await desk.platform('PUT', `/_burgage/tenants/${tenantId}/owner`, { email: emailOf(tenantId) });
      return (await desk.platform('POST', `/_burgage/tenants/${tenantId}/owner/invite`)).json().path;
    },
    async prepareSignedIn(tenantId) {
      const token = (await desk.prepare(tenantId)).split('=')[1] ?? '';
      const welcomed = await desk.visit(tenantId, '/welcome', { form: { token, password } });
      return sessionOf(welcomed);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      data.close();
      rmSync(folder, { recursive: true });
    },
  };
  return desk;
}

/** The session that an answer's cookie carries. */
export const sessionOf = (answer: Answer): string => cookieIn(answer, 'desk_session');
/** The secret that makes a device known. */
export const deviceOf = (answer: Answer): string => cookieIn(answer, 'desk_device');

function cookieIn({ headers }: Answer, name: string): string {
  const [, value] = new RegExp(`${name}=([^;]+)`).exec(String(headers['set-cookie'])) ?? [];
  if (!value) throw new Error(`the answer sets no cookie ${name}`);
  return value;
}

export const bearer = (token: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${token}` } });
export const cookie = (token: string): { headers: Record<string, string> } => ({ headers: { cookie: `desk_session=${token}` } });
