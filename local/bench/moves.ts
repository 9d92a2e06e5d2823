// The move of a large tenant: how long it takes, and for how long its clients cannot write.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContextKeyJwk, createContextIssuer, openTenantData, type TenantData } from '@burgage/app-kit';
import { contacts, migrations, tables } from '@burgage/desk/tables';
import { Operator } from '../stories/operator.ts';
import type { Platform } from '../stories/platform.ts';
import { pauseIn, Writers } from '../stories/writers.ts';
import type { Figure } from './figures.ts';
import { signUp, terminate } from './sign-ups.ts';

const megabyte = 1_000_000;
const rowsPerTransaction = 5_000;
const password = 'a long enough password';
const clients = 4;
const moveTimeoutMs = 120_000;

/** Pool to bridge, bridge to silo, and silo to pool, of a tenant with `megabytes` of rows. */
export async function largeMoves(platform: Platform, megabytes: number): Promise<Figure[]> {
  const operator = await Operator.of(platform);
  const { tenant, operation } = await signUp(operator, 'Bench Large', 'trial');
  await operator.ended(operation.id);
  await operator.ended((await operator.change(tenant.id, 'plan', { plan: 'enterprise' })).id);
  const slug = tenant.slug ?? '';
  const token = await platform.signInAsOwner(slug, 'owner@bench.test', password);
  await fill(platform, tenant.id, megabytes);
  const figures: Figure[] = [];
  const writers = new Writers({ port: platform.port, host: `${slug}.localhost:${platform.port}`, token, clients, prefix: 'bench' });
  try {
    for (const to of ['bridge', 'silo', 'pool']) {
      await new Promise((wake) => setTimeout(wake, 1_000));
      const fromMs = performance.now();
      const ended = await operator.ended((await operator.change(tenant.id, 'move', { isolation: to })).id, moveTimeoutMs);
      const tookMs = performance.now() - fromMs;
      if (ended.state !== 'succeeded') throw new Error(`the move ended ${ended.state}: ${ended.error?.message}`);
      await new Promise((wake) => setTimeout(wake, 1_000));
      const { withoutWriteMs } = pauseIn(writers.answers, fromMs, performance.now());
      const what = `move of ${megabytes} MB, ${ended.summary}`;
      figures.push(
        { what: `${what}: in all`, value: tookMs, unit: 'ms' },
        { what: `${what}: pause of clients`, value: withoutWriteMs, unit: 'ms' },
      );
    }
  } finally {
    await writers.stop();
  }
  await terminate(operator, tenant);
  return figures;
}

/** Gives a tenant of the shared database so many rows: what it has is read as an archive, added to, and put back. */
async function fill(platform: Platform, tenantId: string, megabytes: number): Promise<void> {
  const keys = JSON.parse(await readFile(join(platform.data, 'secrets', 'context-keys.json'), 'utf8')).keys as ContextKeyJwk[];
  const issuer = createContextIssuer(keys, { now: () => new Date() });
  const app = `http://${await platform.flagOf('control', '--app-address')}/_burgage/tenants/${tenantId}`;
  const ask = async (method: string, path: string, fence = '0', body?: ReadableStream): Promise<Response> => {
    const authorization = `Bearer ${await issuer.platform(platform.kind.app)}`;
    return await fetch(`${app}${path}`, {
      method,
      headers: { authorization, 'burgage-fence': fence },
      ...(body && { body, duplex: 'half' }),
    } as RequestInit);
  };
  const call = async (...asked: Parameters<typeof ask>): Promise<Response> => {
    const answer = await ask(...asked);
    if (!answer.ok) throw new Error(`${asked[0]} ${asked[1]} was answered with ${answer.status}: ${await answer.text()}`);
    return answer;
  };
  // As the last operation of the tenant: a higher fence would be in the way of the next.
  const { metadata } = (await (await ask('DELETE', '/frozen')).json()) as { readonly metadata?: { readonly seen?: string } };
  const fence = metadata?.seen ?? '0';
  const folder = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
  const data = openTenantData({ folder, migrations, tables });
  try {
    await data.prepare(tenantId, { slug: 'bench', name: 'Bench', color: '#336699' });
    const { body } = await call('GET', '/archive');
    if (!body) throw new Error('the archive is empty');
    await data.restore(tenantId, body);
    data.thaw(tenantId);
    addContacts(data, tenantId, megabytes * megabyte);
    await call('PUT', '/archive', fence, ReadableStream.from(data.archive(tenantId)));
    await call('DELETE', '/frozen', fence);
  } finally {
    data.close();
    await rm(folder, { recursive: true });
  }
}

function addContacts(data: TenantData, tenantId: string, bytesWanted: number): void {
  const tenant = data.for(tenantId);
  const notes = 'All work and no play makes Jack a dull boy. '.repeat(5);
  for (let index = 0, bytes = 0; bytes < bytesWanted; )
    tenant.transaction(() => {
      for (let count = 0; count < rowsPerTransaction; count += 1, index += 1) {
        const atMs = 1_700_000_000_000 + index;
        const row = { id: index.toString(16).padStart(32, '0'), name: `Contact ${index}`, notes, createdAtMs: atMs, updatedAtMs: atMs };
        tenant.table(contacts).insert(row);
        bytes += row.id.length + row.name.length + notes.length + 16;
      }
    });
}
