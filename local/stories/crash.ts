// What a crash leaves: nothing half-done, nothing twice, and traffic that goes on.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { isAlive, Platform, type PlatformKind, until } from './platform.ts';

interface TenantView {
  readonly id: string;
  readonly slug: string;
  readonly state: string;
}

async function tenantsOf(of: Platform): Promise<readonly TenantView[]> {
  const listed = await of.cli('tenants', 'list', '-o', 'json');
  return listed.code === 0 ? JSON.parse(listed.stdout).items : [];
}

async function operationsOf(of: Platform): Promise<readonly { readonly state: string; readonly tenant: TenantView }[]> {
  const token = (await readFile(join(of.data, 'secrets', 'admin-token'), 'utf8')).trim();
  const listed = await of.ask('api', '/v1/operations', { headers: { authorization: `Bearer ${token}` } }).catch(() => undefined);
  return listed?.status === 200 ? listed.json<{ items: [] }>().items : [];
}

/** Waits until every operation has ended, and says which tenants there are. */
async function allEnded(of: Platform, count: number): Promise<readonly TenantView[]> {
  await until(
    `${count} operations have succeeded`,
    async () => {
      const operations = await operationsOf(of);
      return operations.length === count && operations.every(({ state }) => state === 'succeeded');
    },
    40_000,
  );
  return await tenantsOf(of);
}

/** Each tenant answers, was provisioned by one operation and got one mail. */
async function expectLiveOnce(of: Platform, tenants: readonly TenantView[]): Promise<void> {
  // A gateway may still be on its way back to the registry: then an operation does not wait for it for long.
  for (const { slug } of tenants) await until(`${slug} is served`, async () => (await of.ask(slug, '/')).status === 200);
  expect(tenants.every(({ state }) => state === 'active')).toBe(true);
  expect((await operationsOf(of)).map(({ tenant }) => tenant.id).sort()).toEqual(tenants.map(({ id }) => id).sort());
  const mails = (await readdir(join(of.data, 'mail'))).filter((name) => name.endsWith('.eml'));
  expect(mails).toHaveLength(tenants.length);
}

async function signUp(of: Platform, count: number): Promise<void> {
  const token = (await readFile(join(of.data, 'secrets', 'admin-token'), 'utf8')).trim();
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const answer = await of.ask('api', '/v1/tenants', {
        headers: { authorization: `Bearer ${token}`, 'idempotency-key': `sign-up-${index}` },
        json: { company: `Crash Test ${index}`, plan: 'trial', owner: `owner${index}@crash.test` },
      });
      expect(answer.status).toBe(202);
    }),
  );
}

function pidsOf(of: Platform, names: readonly string[]): Promise<readonly number[]> {
  return Promise.all(names.map((name) => of.pidOf(name)));
}

/** Declares the story for one way in which Burgage runs. */
export function crashStory(kind: () => PlatformKind): void {
  let platform: Platform;

  afterEach(() => platform?.remove());

  describe('kill -9', () => {
    test('of the control plane in the middle of provisioning: every tenant ends live, once, and traffic goes on meanwhile', {
      timeout: 180_000,
    }, async () => {
      platform = await Platform.start(kind());
      const served = await platform.createTenant('Served GmbH');
      for (let round = 0; round < 3; round += 1) {
        await signUp(platform, 4 * (round + 1));
        const control = await pidsOf(platform, platform.kind.control);
        await until('an operation is running', async () => (await operationsOf(platform)).some(({ state }) => state === 'running'));
        for (const pid of control) process.kill(pid, 'SIGKILL');
        // The plan allows 20 a second, and each of two gateways has half of that.
        for (let request = 0; request < 10; request += 1) {
          const answer = await platform.ask(served.slug, '/healthz');
          expect(answer.status, answer.body).toBe(200);
        }
        await until('the control plane is back', async () => {
          const back = await pidsOf(platform, platform.kind.control);
          return back.every((pid) => !control.includes(pid)) && (await platform.cli('tenants', 'list')).code === 0;
        });
        // One second a round, for the same reason.
        await new Promise((wake) => setTimeout(wake, 1_000));
      }
      await expectLiveOnce(platform, await allEnded(platform, 13));
    });

    test('of everything at once: no child is left, and the next start carries on', { timeout: 180_000 }, async () => {
      platform = await Platform.start(kind());
      await signUp(platform, 6);
      const pids = await pidsOf(platform, platform.processNames);
      await platform.kill();
      await until('no child is left', async () => pids.every((pid) => !isAlive(pid)));
      platform = await platform.startAgain();
      await expectLiveOnce(platform, await allEnded(platform, 6));
    });

    test('of the app and the gateway: both come back by themselves', { timeout: 120_000 }, async () => {
      platform = await Platform.start(kind());
      const { slug } = await platform.createTenant('Phoenix AG');
      for (const name of [platform.kind.app, ...platform.kind.gateways]) {
        process.kill(await platform.pidOf(name), 'SIGKILL');
        await until(`${name} serves again`, async () => (await platform.ask(slug, '/').catch(() => undefined))?.status === 200);
      }
    });
  });
}
