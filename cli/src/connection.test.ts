// Which platform the command finds, and what it says where it finds none.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminToken, type Platform, startPlatform } from '../test/platform.ts';

let platform: Platform;
beforeEach(async () => {
  platform = await startPlatform();
});
afterEach(() => platform.stop());

describe('finding the platform', () => {
  test('--data wins over BURGAGE_DATA, which wins over the nearest .burgage above', async () => {
    const deep = join(platform.folder, 'a', 'b');
    await mkdir(deep, { recursive: true });
    const above = await platform.run(['tenants', 'list'], { cwd: deep });
    expect(above).toMatchObject({ code: 0, stdout: 'No tenants.\n' });
    const named = await platform.run(['tenants', 'list'], { cwd: '/', env: { BURGAGE_DATA: platform.dataFolder } });
    expect(named.code).toBe(0);
    const flag = await platform.run(['tenants', 'list', '--data', platform.dataFolder], { cwd: '/', env: { BURGAGE_DATA: '/nowhere' } });
    expect(flag.code).toBe(0);
    const before = await platform.run(['--data', platform.dataFolder, 'tenants', 'list'], { cwd: '/' });
    expect(before.code).toBe(0);
  });

  test('--api with BURGAGE_TOKEN reaches an API elsewhere, and needs the token', async () => {
    const there = await platform.run(['tenants', 'list', '--api', `${platform.url}/`], { cwd: '/', env: { BURGAGE_TOKEN: adminToken } });
    expect(there).toMatchObject({ code: 0, stdout: 'No tenants.\n' });
    const without = await platform.run(['tenants', 'list', '--api', platform.url], { cwd: '/' });
    expect(without.code).toBe(5);
    expect(without.stderr).toContain('BURGAGE_TOKEN');
    const nonsense = await platform.run(['tenants', 'list', '--api', 'here'], { cwd: '/', env: { BURGAGE_TOKEN: 'x' } });
    expect(nonsense.code).toBe(2);
    await platform.api.stop();
    const nobody = await platform.run(['tenants', 'list', '--api', platform.url], { cwd: '/', env: { BURGAGE_TOKEN: 'x' } });
    expect(nobody.code).toBe(6);
    expect(nobody.stderr).toContain('ECONNREFUSED');
  });

  test('what answers but is no API of Burgage is said to be so', async () => {
    const other = await platform.run(['tenants', 'list', '--api', `${platform.url}/v1/docs`], { cwd: '/', env: { BURGAGE_TOKEN: 'x' } });
    expect(other.code).not.toBe(0);
  });
});
