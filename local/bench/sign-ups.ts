// From a sign-up's request to the first 200 of the tenant's own address through the gateway.
import { Agent, request } from 'node:http';
import type { SignUpAnswer, Tenant } from '@burgage/api';
import { Operator } from '../stories/operator.ts';
import type { Platform } from '../stories/platform.ts';
import { type Figure, percentile } from './figures.ts';

const agent = new Agent({ keepAlive: true });
const pollMs = 5;
const giveUpAfterMs = 20_000;

/** Sends a request on a kept connection; answers with status and body. */
export function send(
  port: number,
  host: string,
  path: string,
  method = 'GET',
  headers: Record<string, string> = {},
  body = '',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        host: '127.0.0.1',
        port,
        path,
        method,
        headers: { host, ...headers, ...(body ? { 'content-length': String(Buffer.byteLength(body)) } : {}) },
      },
      async (incoming) => {
        const chunks = await incoming.toArray();
        resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export interface SignUps {
  /** Of the catalog; it decides the isolation. */
  readonly plan: string;
  readonly count: number;
  /** In the names of the figures. */
  readonly what: string;
  /** Target of the 95th percentile. */
  readonly p95MsMax: number;
  /** Takes each away again before the next. */
  readonly removed?: boolean;
}

/** One after the other. */
export async function signUps(platform: Platform, { plan, count, what, p95MsMax, removed }: SignUps): Promise<Figure[]> {
  const operator = await Operator.of(platform);
  const tookMs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedMs = performance.now();
    const { tenant, operation } = await signUp(operator, `Bench ${plan} ${index}`, plan);
    await live(platform, tenant.slug ?? '', startedMs, pollMs);
    tookMs.push(performance.now() - startedMs);
    // What comes after the first 200 is not to slow the next one down.
    await operator.ended(operation.id);
    if (removed) await terminate(operator, tenant);
  }
  return [
    { what: `${what} to first 200, median of ${count}`, value: percentile(tookMs, 0.5), unit: 'ms' },
    { what: `${what} to first 200, p95 of ${count}`, value: percentile(tookMs, 0.95), unit: 'ms', atMost: p95MsMax },
  ];
}

/** Asked for at once, half of them in the shared database and half in one of their own: until the last is live. */
export async function signUpsAtOnce(platform: Platform, count: number): Promise<Figure[]> {
  const operator = await Operator.of(platform);
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { tenant } = await signUp(operator, `Bench crowd ${index}`, index % 2 === 0 ? 'trial' : 'starter');
      // Below the rate of the smallest plan.
      await live(platform, tenant.slug ?? '', startedMs, 100);
    }),
  );
  return [
    { what: `${count} sign-ups at once, pool and bridge, all live`, value: performance.now() - startedMs, unit: 'ms', atMost: 5_000 },
  ];
}

export async function signUp(operator: Operator, company: string, plan: string): Promise<SignUpAnswer> {
  const created = await operator.post('/v1/tenants', { company, plan, owner: 'owner@bench.test' });
  if (created.status !== 202) throw new Error(`sign-up answered ${created.status}: ${created.body}`);
  return created.json<SignUpAnswer>();
}

/** Resolves at the first 200 of the tenant's address. */
async function live(platform: Platform, slug: string, startedMs: number, everyMs: number): Promise<void> {
  for (;;) {
    const { status } = await send(platform.port, `${slug}.localhost:${platform.port}`, '/');
    if (status === 200) return;
    if (performance.now() - startedMs > giveUpAfterMs) throw new Error(`${slug} was not live within ${giveUpAfterMs} ms`);
    await new Promise((wake) => setTimeout(wake, everyMs));
  }
}

export async function terminate(operator: Operator, { id, slug }: Tenant): Promise<void> {
  const { id: operation } = await operator.change(id, 'terminate', { now: true, confirm: slug });
  const { state, attention, error } = await operator.ended(operation);
  if (state !== 'succeeded') throw new Error(`${slug} could not be removed: the operation is ${state}: ${attention ?? error?.message}`);
}
