// Holds tenants' folders to what the steps rely on: repeatable, private, fenced, never outside of their own.
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Files } from '../domain/ports.ts';
import { createFences } from './fences.ts';
import { createFolderFiles } from './folder-files.ts';

let folder: string;
let files: Files;
const fence = { operationId: 'op', token: 3 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-files-'));
  const fences = createFences({ folder: join(folder, 'fences'), clock: systemClock, random: systemRandom });
  files = createFolderFiles(join(folder, 'files'), fences);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('files are a private folder a tenant, made once and removed with what is in it', async () => {
  expect(await files.list()).toEqual([]);
  await files.ensure('ten_A', fence);
  await writeFile(join(folder, 'files', 'ten_A', 'kept'), '');
  await files.ensure('ten_A', fence);
  await files.ensure('ten_B', fence);
  expect(await readdir(join(folder, 'files', 'ten_A'))).toEqual(['kept']);
  expect((await stat(join(folder, 'files', 'ten_A'))).mode & 0o777).toBe(0o700);
  expect([...(await files.list())].sort()).toEqual(['ten_A', 'ten_B']);
  await files.remove('ten_A', fence);
  await files.remove('ten_A', fence);
  expect(await files.list()).toEqual(['ten_B']);
});

test('a late call changes nothing, also when the folder is gone', async () => {
  const late = { operationId: 'op', token: 2 };
  await files.ensure('ten_A', fence);
  await expect(files.remove('ten_A', late)).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '3' } });
  expect(await files.list()).toEqual(['ten_A']);
  await files.remove('ten_A', fence);
  await expect(files.ensure('ten_A', late)).rejects.toMatchObject({ code: 'fenced' });
  expect(await files.list()).toEqual([]);
});

test('files never leave their folder, whatever a tenant is called', async () => {
  for (const id of ['..', '../x', '/etc', 'a/b', '']) await expect(files.remove(id, fence)).rejects.toMatchObject({ code: 'internal' });
});
