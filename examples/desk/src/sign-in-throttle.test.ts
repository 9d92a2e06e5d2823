import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTenantData, type TenantData, type TenantHandle } from '@burgage/app-kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Attempt, createSignInThrottle, failureRowsMax } from './sign-in-throttle.ts';
import { migrations, signInFailures, tables } from './tables.ts';

let folder: string;
let data: TenantData;
let tenant: TenantHandle;
let nowMs: number;
const throttle = createSignInThrottle({ now: () => new Date(nowMs) });
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'desk-throttle-'));
  nowMs = Date.UTC(2026, 0, 1);
  data = openTenantData({ folder, migrations, tables });
  tenant = await prepared('ten_one');
});
afterEach(() => {
  data.close();
  rmSync(folder, { recursive: true });
});

async function prepared(tenantId: string): Promise<TenantHandle> {
  await data.prepare(tenantId, { slug: 'one', name: 'One', color: '#000000' });
  return data.for(tenantId);
}
const attempt = (part: Partial<Attempt> = {}): Attempt => ({ email: 'owner@one.test', client: '192.0.2.1', deviceId: undefined, ...part });
const fail = (count: number, part: (index: number) => Partial<Attempt> = () => ({})) => {
  for (let index = 0; index < count; index += 1) throttle.count(tenant, attempt(part(index)));
};
const limited = (seconds: number) => expect.objectContaining({ code: 'rate_limited', retryAfterSeconds: seconds });

test('after five failures with one e-mail address from one client each further one doubles the wait, up to fifteen minutes', () => {
  fail(5);
  for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
    expect(() => throttle.check(tenant, attempt())).toThrow(limited(seconds));
    expect(() => throttle.count(tenant, attempt())).toThrow(limited(seconds));
    nowMs += seconds * 1_000;
    throttle.count(tenant, attempt());
  }
});

test('after twenty failures one client has to wait whatever e-mail addresses it makes up, in that tenant alone', async () => {
  fail(20, (index) => ({ email: `${index}@one.test` }));
  expect(() => throttle.check(tenant, attempt({ email: 'new@one.test' }))).toThrow(limited(1));
  expect(throttle.check(tenant, attempt({ client: '192.0.2.2' }))).toEqual({ pauseMs: 0 });
  expect(throttle.check(await prepared('ten_other'), attempt())).toEqual({ pauseMs: 0 });
});

test('failures of others never refuse the owner: from another client he pauses at most, on his own device he does not even do that', () => {
  fail(500, (index) => ({ client: `client-${index}` }));
  expect(throttle.check(tenant, attempt())).toEqual({ pauseMs: 2_000 });
  expect(throttle.check(tenant, attempt({ deviceId: 'own' }))).toEqual({ pauseMs: 0 });
  expect(throttle.check(tenant, attempt({ deviceId: 'own', client: 'client-1' }))).toEqual({ pauseMs: 0 });
});

test('strangers pause after thirty failures with one e-mail address, and after two hundred with any', () => {
  fail(29, (index) => ({ client: `client-${index}` }));
  expect(throttle.check(tenant, attempt())).toEqual({ pauseMs: 0 });
  fail(1);
  expect(throttle.check(tenant, attempt({ client: '192.0.2.2' }))).toEqual({ pauseMs: 2_000 });
  expect(throttle.check(tenant, attempt({ email: 'another@one.test' }))).toEqual({ pauseMs: 0 });
  fail(170, (index) => ({ client: `other-${index}`, email: `${index}@one.test` }));
  expect(throttle.check(tenant, attempt({ email: 'another@one.test' }))).toEqual({ pauseMs: 2_000 });
});

test('a stolen device cookie guesses no faster than a stranger', () => {
  fail(5, (index) => ({ deviceId: 'stolen', client: `client-${index}`, email: `${index}@one.test` }));
  expect(() => throttle.check(tenant, attempt({ deviceId: 'stolen' }))).toThrow(limited(1));
});

test('failures are forgotten after a success, and an hour after the last one', () => {
  fail(5);
  throttle.clear(tenant, attempt());
  expect(tenant.table(signInFailures).count()).toBe(0);
  fail(5);
  nowMs += 60 * 60_000 + 1;
  expect(throttle.check(tenant, attempt())).toEqual({ pauseMs: 0 });
  fail(1);
  expect(
    tenant
      .table(signInFailures)
      .list()
      .rows.map(({ failures }) => failures),
  ).toEqual([1, 1, 1, 1]);
});

test('made-up addresses leave a bounded number of rows, of which the oldest go first, and no other tenant loses any', async () => {
  const other = await prepared('ten_other');
  throttle.count(other, attempt());
  fail(failureRowsMax, (index) => {
    nowMs += 1;
    return { email: `${index}@one.test`, client: `client-${index}` };
  });
  const rows = tenant.table(signInFailures).list({ order: { by: 'lastAtMs', direction: 'ascending' }, limit: 1_000 }).rows;
  expect(rows).toHaveLength(failureRowsMax);
  expect(rows[0]?.lastAtMs).toBe(nowMs - Math.floor((failureRowsMax - 2) / 3));
  expect(other.table(signInFailures).count()).toBe(4);
});
