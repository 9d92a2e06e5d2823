import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTenantData, type TenantData } from '@burgage/app-kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Accounts, createAccounts, type Visitor } from './accounts.ts';
import { devicesMax } from './devices.ts';
import { createPasswords } from './passwords.ts';
import { systemSources } from './sources.ts';
import { devices, migrations, signInFailures, tables } from './tables.ts';
import { waitingPerLaneMax } from './turns.ts';

const password = 'correct horse battery';
let folder: string;
let data: TenantData;
let nowMs: number;
let accounts: Accounts;
/** Passwords in the order in which they were checked. */
let checked: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'desk-accounts-'));
  data = openTenantData({ folder, migrations, tables });
  nowMs = Date.UTC(2026, 0, 1);
  checked = [];
  const sources = { ...systemSources, now: () => new Date(nowMs), sleep: async () => {} };
  const passwords = createPasswords(sources);
  accounts = createAccounts(sources, {
    ...passwords,
    matches(tried, stored) {
      checked.push(tried);
      return passwords.matches(tried, stored);
    },
  });
});
afterEach(() => {
  data.close();
  rmSync(folder, { recursive: true });
});

const owner = 'owner@desk.test';
const visitor = (client: string, deviceToken?: string): Visitor => ({ client, deviceToken });
const signIn = (tenantId: string, email: string, tried: string, by: Visitor) =>
  accounts.signIn(data.for(tenantId), { email, password: tried }, by).then(
    () => 'signed in',
    (error) => error.code,
  );

async function prepare(tenantId: string): Promise<void> {
  await data.prepare(tenantId, { slug: tenantId.slice(4), name: tenantId, color: '#000000' });
  const handle = data.for(tenantId);
  accounts.owners.put(handle, owner);
  const [, token = ''] = accounts.owners.invite(handle).path.split('=');
  await accounts.acceptInvite(handle, token, password, visitor('192.0.2.1'));
}

test("a flood of invented addresses on one tenant delays another tenant's sign-in by three checks at most, and refuses itself only", async () => {
  await prepare('ten_quiet');
  await prepare('ten_flooded');
  const flood = Array.from({ length: 60 }, (_, index) => signIn('ten_flooded', `${index}@x.test`, 'flood', visitor(`client-${index}`)));
  const quiet = signIn('ten_quiet', owner, password, visitor('192.0.2.1'));
  expect(await quiet).toBe('signed in');
  expect(checked.indexOf(password)).toBeLessThanOrEqual(3);
  const answers = await Promise.all(flood);
  expect(answers.filter((answer) => answer === 'unauthenticated')).toHaveLength(2 + waitingPerLaneMax);
  expect(answers.filter((answer) => answer === 'unavailable')).toHaveLength(60 - 2 - waitingPerLaneMax);
  // What had no turn was no attempt: three checks for each, by client, by both, by address, and one for the tenant.
  expect(data.for('ten_flooded').table(signInFailures).count()).toBe(3 * (2 + waitingPerLaneMax) + 1);
});

test('an owner under attack is signed in on a known device, in the middle of a flood and from the address of the attacker', async () => {
  await prepare('ten_one');
  const handle = data.for('ten_one');
  const device = accounts.rememberDevice(handle, undefined);
  for (let failed = 0; failed < 5; failed += 1)
    expect(await signIn('ten_one', owner, 'wrong', visitor('attacker'))).toBe('unauthenticated');
  expect(await signIn('ten_one', owner, password, visitor('attacker'))).toBe('rate_limited');
  const flood = Array.from({ length: 20 }, (_, index) => signIn('ten_one', owner, 'wrong', visitor(`client-${index}`)));
  const stranger = signIn('ten_one', owner, password, visitor('elsewhere'));
  expect(await signIn('ten_one', owner, password, visitor('attacker', device))).toBe('signed in');
  expect(await stranger).toBe('unavailable');
  await Promise.all(flood);
  expect(await signIn('ten_one', owner, password, visitor('elsewhere'))).toBe('signed in');
});

test('many attempts at once cannot outrun the count', async () => {
  await prepare('ten_one');
  const attempt = () => signIn('ten_one', owner, 'wrong', visitor('attacker'));
  const answers: string[] = [];
  for (let round = 0; round < 4; round += 1) answers.push(...(await Promise.all([attempt(), attempt(), attempt(), attempt(), attempt()])));
  expect(answers.filter((answer) => answer === 'unauthenticated')).toHaveLength(5);
  expect(checked.filter((tried) => tried === 'wrong')).toHaveLength(5);
  expect(answers.slice(0, 5)).toContain('unavailable');
});

test('a device is known to its tenant for 180 days after the last sign-in, until the owner goes or sets a new password', async () => {
  await prepare('ten_one');
  await prepare('ten_other');
  const one = data.for('ten_one');
  /** A stranger with five failures behind him waits; a known device does not. */
  const isKnown = async (tenantId: string, device: string) => {
    for (let failed = 0; failed < 5; failed += 1) await signIn(tenantId, owner, 'wrong', visitor('x'));
    const answer = await signIn(tenantId, owner, password, visitor('x', device));
    nowMs += 2 * 60 * 60_000;
    return answer === 'signed in';
  };
  const device = accounts.rememberDevice(one, undefined);
  expect(JSON.stringify(one.table(devices).list())).not.toContain(device);
  expect(await isKnown('ten_one', device)).toBe(true);
  expect(await isKnown('ten_one', 'invented')).toBe(false);
  expect(await isKnown('ten_other', device)).toBe(false);
  nowMs += 170 * 24 * 60 * 60_000;
  expect(accounts.rememberDevice(one, device)).toBe(device);
  nowMs += 170 * 24 * 60 * 60_000;
  expect(await isKnown('ten_one', device)).toBe(true);
  nowMs += 10 * 24 * 60 * 60_000;
  expect(await isKnown('ten_one', device)).toBe(false);
  expect(accounts.rememberDevice(one, device)).not.toBe(device);
  await prepare('ten_one');
  expect(one.table(devices).count()).toBe(0);
  accounts.rememberDevice(one, undefined);
  accounts.owners.remove(one);
  expect(one.table(devices).count()).toBe(0);
});

test('of more devices than are remembered the longest unused is forgotten', async () => {
  await prepare('ten_one');
  const handle = data.for('ten_one');
  const tokens = Array.from({ length: devicesMax + 1 }, () => {
    nowMs += 1_000;
    return accounts.rememberDevice(handle, undefined);
  });
  expect(handle.table(devices).count()).toBe(devicesMax);
  expect(accounts.rememberDevice(handle, tokens[1])).toBe(tokens[1]);
  expect(accounts.rememberDevice(handle, tokens[0])).not.toBe(tokens[0]);
});
