// From a sign-up's request to the first 200 of the tenant's own address through the gateway.
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
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

export async function signUps(platform: Platform, count: number): Promise<Figure[]> {
  const token = (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim();
  const tookMs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedMs = performance.now();
    const created = await send(
      platform.port,
      `api.localhost:${platform.port}`,
      '/v1/tenants',
      'POST',
      { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      JSON.stringify({ company: `Bench Company ${index}`, plan: 'trial', owner: 'owner@bench.test' }),
    );
    if (created.status !== 202) throw new Error(`sign-up answered ${created.status}: ${created.body}`);
    const { slug } = JSON.parse(created.body).tenant;
    for (;;) {
      const { status } = await send(platform.port, `${slug}.localhost:${platform.port}`, '/');
      if (status === 200) break;
      if (performance.now() - startedMs > giveUpAfterMs) throw new Error(`${slug} was not live within ${giveUpAfterMs} ms`);
      await new Promise((wake) => setTimeout(wake, pollMs));
    }
    tookMs.push(performance.now() - startedMs);
  }
  return [
    { what: `sign-up to first 200, median of ${count}`, value: percentile(tookMs, 0.5), unit: 'ms' },
    { what: `sign-up to first 200, p95 of ${count}`, value: percentile(tookMs, 0.95), unit: 'ms', atMost: 1_000 },
  ];
}
