// Backup and restore from the command line: what they say, where, and with which exit code.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPaths, takeLock } from '@burgage/data-folder';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Platform, startPlatform, typed } from '../../test/platform.ts';

let platform: Platform;
let file: string;

beforeEach(async () => {
  platform = await startPlatform();
  file = join(platform.folder, 'a.backup');
  await writeFile(join(platform.dataFolder, 'format.json'), '{"version":1,"engines":"embedded"}\n', { mode: 0o600 });
});
afterEach(() => platform.stop());

const run = (...args: string[]) => typed(platform, args);

test('a backup is made, read back and restored, and each says what there is to know', async () => {
  const made = await run('backup', '--to', file);
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(made.out).toMatch(/a\.backup {2}\d+ bytes, 2 files of \d+ bytes\nIt holds every secret of this Burgage .* not encrypted/);
  const checked = await run('restore', '--check', file);
  expect(checked).toMatchObject({ code: 0, err: '' });
  expect(checked.out).toMatch(/a\.backup reads back {2}\d+ bytes, 2 files of \d+ bytes, of 20\S+Z\n$/);
  await writeFile(join(platform.dataFolder, 'secrets/admin-token'), 'another');
  const restored = await run('restore', file, '--replace');
  expect(restored).toMatchObject({ code: 0, err: '' });
  expect(restored.out).toMatch(
    /\.burgage is as it was at 20\S+Z\. Start it with npm start\.\nWhat was there is \S+\.burgage\.before-20\S+Z;/,
  );
  expect(await readFile(join(platform.dataFolder, 'secrets/admin-token'), 'utf8')).not.toBe('another');
});

test('as JSON each is its answer alone', async () => {
  const made = JSON.parse((await run('backup', '--to', file, '-o', 'json')).out);
  expect(made).toEqual({
    file,
    createdAt: expect.any(String),
    dataFormat: 1,
    files: 2,
    bytes: expect.any(Number),
    contentBytes: expect.any(Number),
  });
  expect(JSON.parse((await run('restore', '--check', file, '-o', 'json')).out)).toEqual(made);
  await rm(platform.dataFolder, { recursive: true });
  const restored = JSON.parse((await run('restore', file, '-o', 'json')).out);
  expect(restored).toEqual({ data: platform.dataFolder, file, createdAt: made.createdAt });
  const refused = await run('restore', '--check', join(platform.folder, 'none'), '-o', 'json');
  expect([refused.code, JSON.parse(refused.err).code]).toEqual([3, 'not_found']);
});

test('where a folder is named, the backup has a name that says when', async () => {
  expect(await run('backup', '--to', platform.folder)).toMatchObject({ code: 0 });
  expect(await readdir(platform.folder)).toContainEqual(expect.stringMatching(/^burgage-20\d\d-\d\d-\d\dT\d\d-\d\d-\d\dZ\.backup$/));
});

test('nothing that is there is replaced unasked', async () => {
  await writeFile(file, 'something');
  const refused = await run('backup', '--to', file);
  expect(refused.code).toBe(4);
  expect(refused.err).toContain('burgage backup --force');
  expect(await readFile(file, 'utf8')).toBe('something');
  expect(await run('backup', '--to', file, '--force')).toMatchObject({ code: 0 });
  const full = await run('restore', file);
  expect(full.code).toBe(4);
  expect(full.err).toContain('[already_exists]');
});

test('a folder on which Burgage runs is not restored to', async () => {
  await run('backup', '--to', file);
  const lock = await takeLock(dataPaths(platform.dataFolder));
  const refused = await run('restore', file, '--replace');
  lock.close();
  expect([refused.code, refused.err]).toEqual([4, expect.stringContaining('[data_folder_in_use]')]);
});

test('a damaged backup is said to be one, with the file in it', async () => {
  await run('backup', '--to', file);
  const bytes = await readFile(file);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  await writeFile(file, bytes);
  for (const args of [
    ['restore', file, '--check'],
    ['restore', file, '--replace'],
  ]) {
    const refused = await run(...args);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('a.backup is damaged: format.json in it is not what was written.');
    expect(refused.err).toContain('what to do: Use another backup');
  }
});

test('an API elsewhere has no data folder here', async () => {
  const refused = await run('backup', '--api', 'http://127.0.0.1:1');
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('--api: is "http://127.0.0.1:1"; expected none');
});
