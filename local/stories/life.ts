// The life of tenants: in every isolation, through every operation, to an end without a trace.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Platform, type PlatformKind } from './platform.ts';

interface Tenant {
  readonly id: string;
  readonly slug: string;
}

const password = 'a long enough password';
const plans = { pool: 'trial', bridge: 'starter', silo: 'professional' } as const;

/** Declares the story for one way in which Burgage runs. */
export function lifeStory(kind: () => PlatformKind): void {
  let platform: Platform;
  const living = {} as Record<keyof typeof plans, Tenant>;
  let session: Readonly<Record<string, string>>;
  let rows: readonly string[] = [];

  /** What the command prints, which has to end well. */
  async function cli(...args: string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await platform.cli(...args, '-o', 'json');
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
    return JSON.parse(stdout);
  }

  const tenantOf = async ({ id }: Tenant): Promise<Record<string, unknown>> => await cli('tenants', 'get', id);

  /** The status and code of the answer that every gateway gives. */
  async function answers({ slug }: Tenant): Promise<string> {
    const given = await Promise.all(
      platform.kind.gateways.map(async (gateway) => {
        const answer = await platform.askOn(Number(await platform.flagOf(gateway, '--port')), slug, '/', {
          headers: { accept: 'application/json' },
        });
        return answer.status === 200 ? '200' : `${answer.status} ${answer.json().code}`;
      }),
    );
    return [...new Set(given)].join(', ');
  }

  async function rowsOf({ slug }: Tenant): Promise<readonly string[]> {
    const answer = await platform.ask(slug, '/api/contacts', { headers: session });
    expect(answer.status, answer.body).toBe(200);
    return answer
      .json<{ items: { name: string }[] }>()
      .items.map(({ name }) => name)
      .toSorted();
  }

  async function write({ slug }: Tenant, name: string): Promise<void> {
    const answer = await platform.ask(slug, '/api/contacts', { headers: session, json: { name } });
    expect(answer.status, answer.body).toBe(201);
    rows = [...rows, name].toSorted();
  }

  beforeAll(async () => {
    platform = await Platform.start(kind());
    await Promise.all(
      Object.entries(plans).map(async ([isolation, plan]) => {
        const args = ['tenants', 'create', '--company', `In ${isolation}`, '--plan', plan, '--owner', `${isolation}@owner.test`, '--wait'];
        living[isolation as keyof typeof plans] = (await cli(...args)).tenant as Tenant;
      }),
    );
    const token = await platform.signInAsOwner(living.pool.slug, 'pool@owner.test', password);
    session = { authorization: `Bearer ${token}` };
  }, 120_000);

  afterAll(() => platform?.remove());

  describe('a tenant', () => {
    test('lives in the isolation of its plan', async () => {
      for (const [isolation, tenant] of Object.entries(living)) {
        expect(await tenantOf(tenant)).toMatchObject({ state: 'active', isolation, moving: false });
        expect(await answers(tenant)).toBe('200');
      }
      expect(await tenantOf(living.silo)).toMatchObject({
        upstream: `${living.silo.id.toLowerCase()}-silo`,
        instance: { state: 'running' },
      });
    });

    test('is put on another plan at once, and stays where it lives until it is moved', async () => {
      await cli('tenants', 'plan', living.pool.slug, 'professional', '--wait');
      expect(await tenantOf(living.pool)).toMatchObject({ plan: 'professional', isolation: 'pool', pendingIsolation: 'silo' });
      expect(await answers(living.pool)).toBe('200');
    });

    test('takes its rows along, whichever way it moves, and whoever was signed in still is', { timeout: 180_000 }, async () => {
      await write(living.pool, 'Before');
      for (const to of ['bridge', 'silo', 'pool', 'silo', 'bridge', 'pool']) {
        expect(await cli('tenants', 'move', living.pool.slug, '--to', to, '--wait')).toMatchObject({ operation: { state: 'succeeded' } });
        expect(await tenantOf(living.pool)).toMatchObject({ isolation: to, moving: false });
        expect(await answers(living.pool)).toBe('200');
        expect(await rowsOf(living.pool)).toEqual(rows);
        await write(living.pool, `In ${to} ${rows.length}`);
      }
      expect(await rowsOf(living.pool)).toEqual(rows);
    });

    test('says by what hold it is held, and is served again without any', { timeout: 60_000 }, async () => {
      await cli('tenants', 'suspend', living.pool.slug, '--hold', 'unpaid', '--wait');
      expect(await answers(living.pool)).toBe('402 tenant_unpaid');
      await cli('tenants', 'suspend', living.pool.slug, '--wait');
      expect(await answers(living.pool)).toBe('403 tenant_suspended');
      await cli('tenants', 'resume', living.pool.slug, '--wait');
      expect(await answers(living.pool)).toBe('402 tenant_unpaid');
      await cli('tenants', 'resume', living.pool.slug, '--hold', 'unpaid', '--wait');
      expect(await answers(living.pool)).toBe('200');
    });

    test('that is closed is open again, with its rows, when that is cancelled in time', { timeout: 60_000 }, async () => {
      const { operation } = await cli('tenants', 'terminate', living.pool.slug, '--confirm', living.pool.slug);
      const { id } = operation as { id: string };
      await expect.poll(() => answers(living.pool), { timeout: 20_000 }).toBe('403 tenant_closing');
      await cli('operations', 'cancel', id);
      await expect.poll(async () => (await cli('operations', 'get', id)).state, { timeout: 20_000 }).toBe('cancelled');
      expect(await answers(living.pool)).toBe('200');
      await write(living.pool, 'After all');
      expect(await rowsOf(living.pool)).toEqual(rows);
    });

    test('ends without a trace but its backup, wherever it lived', { timeout: 120_000 }, async () => {
      await Promise.all(Object.values(living).map(({ slug }) => cli('tenants', 'terminate', slug, '--now', '--confirm', slug, '--wait')));
      for (const tenant of Object.values(living)) {
        expect(await tenantOf(tenant)).toMatchObject({ state: 'terminated' });
        expect(await answers(tenant)).toBe('404 host_unknown');
        expect(await readdir(join(platform.data, 'archives', tenant.id))).toHaveLength(1);
      }
      expect(await cli('orphans')).toEqual({ items: [] });
      const left = async (folder: string): Promise<readonly string[]> => await readdir(join(platform.data, folder));
      await expect.poll(() => left('instances')).toEqual([]);
      expect(await left('apps')).toEqual([platform.kind.app]);
      expect(await left('files')).toEqual([]);
    });
  });
}
