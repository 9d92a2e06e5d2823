// The data folder: one user at a time, no newer format, secrets for their owner alone.
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataFormatVersion } from '@burgage/data-folder';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDataFolder } from './data-folder.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-data-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const modeOf = async (...parts: string[]): Promise<number> => (await stat(join(folder, ...parts))).mode & 0o777;

describe('a data folder', () => {
  test('that stands on other engines is refused and left alone', async () => {
    await (await openDataFolder(folder, 'mesh')).release();
    await expect(openDataFolder(folder)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('a folder of npm run start:mesh, expected one of npm start'),
    });
    await (await openDataFolder(folder, 'mesh')).release();
    // As folders were before there was a choice.
    await writeFile(join(folder, 'format.json'), JSON.stringify({ version: dataFormatVersion }));
    await expect(openDataFolder(folder, 'mesh')).rejects.toMatchObject({ code: 'config_invalid' });
    await (await openDataFolder(folder)).release();
  });

  test('is made with secrets that only their owner can read, and keeps them', async () => {
    await chmod(folder, 0o755);
    const first = await openDataFolder(folder);
    expect(await modeOf()).toBe(0o700);
    const token = await readFile(first.paths.adminToken, 'utf8');
    expect(token.trim()).toMatch(/^bur_[\w-]{43}$/);
    for (const name of ['admin-token', 'internal-token', 'archive-key', 'context-keys.json'])
      expect(await modeOf('secrets', name)).toBe(0o600);
    const folders = [
      'secrets',
      'run',
      'store',
      'mail',
      'apps',
      'files',
      'archives',
      'instances',
      'fences',
      'logs',
      'logs/instances',
      'gateway',
    ];
    for (const name of folders) expect(await modeOf(name)).toBe(0o700);
    await first.release();
    await chmod(first.paths.adminToken, 0o644);
    const second = await openDataFolder(folder);
    expect(await readFile(second.paths.adminToken, 'utf8')).toBe(token);
    expect(await modeOf('secrets', 'admin-token')).toBe(0o600);
    await second.release();
  });

  test('has one user at a time, and says which process that is', async () => {
    const first = await openDataFolder(folder);
    await first.writeRuntimeFile({ pid: 4711, api: '', gateway: '', baseDomain: '', publicPort: 1, tokenFile: '' });
    await expect(openDataFolder(folder)).rejects.toMatchObject({ code: 'data_folder_in_use', message: expect.stringContaining('4711') });
    await first.release();
    await (await openDataFolder(folder)).release();
  });

  test('sends nobody to where an earlier process was', async () => {
    await writeFile(join(folder, 'runtime.json'), '{"pid":4711,"api":"http://127.0.0.1:1"}');
    const data = await openDataFolder(folder);
    await expect(stat(join(folder, 'runtime.json'))).rejects.toMatchObject({ code: 'ENOENT' });
    await data.release();
  });

  test('of a newer version is refused and left as it is', async () => {
    await writeFile(join(folder, 'format.json'), JSON.stringify({ version: dataFormatVersion + 1 }));
    await expect(openDataFolder(folder)).rejects.toMatchObject({ code: 'data_folder_newer' });
    expect(JSON.parse(await readFile(join(folder, 'format.json'), 'utf8'))).toEqual({ version: dataFormatVersion + 1 });
    expect(await readdir(folder)).toEqual(['format.json']);
  });

  test.each(['', '{', '[]', '{"version":"1"}', 'null'])('whose format file says %j is refused as corrupt', async (text) => {
    await writeFile(join(folder, 'format.json'), text);
    await expect(openDataFolder(folder)).rejects.toMatchObject({ code: 'data_corrupt' });
  });

  test('whose lock is not one is said to be corrupt, not in use', async () => {
    await writeFile(join(folder, 'lock'), 'not a lock '.repeat(100));
    await expect(openDataFolder(folder)).rejects.toMatchObject({ code: 'data_corrupt' });
  });

  test('cannot be a file, nor lie so deep that its sockets have no name', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(openDataFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(openDataFolder(join(folder, 'x'.repeat(100)))).rejects.toMatchObject({ code: 'config_invalid' });
  });
});
