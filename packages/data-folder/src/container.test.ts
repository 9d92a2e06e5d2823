// The file that a backup is: what was put in comes out, and no byte of it can change unseen.
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Backup, createContainer, openContainer } from './container.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-container-'));
  file = join(folder, 'a.backup');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const about = { createdAt: '2026-01-02T03:04:05.000Z', dataFormat: 1, folders: [] };

async function write(contents: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const container = await createContainer(file, { replace: true });
  for (const [path, content] of contents) {
    // In pieces, as a disk gives them.
    const half = Math.floor(content.length / 2);
    await container.add({ path, mode: 0o600 }, pieces(content.subarray(0, half), content.subarray(half)));
  }
  await container.finish(about);
}

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function read(): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const container = await openContainer(file);
  await container.readAll(async ({ path }, content) => {
    found.set(path, Buffer.concat(await Array.fromAsync(content)));
  });
  return found;
}

/** One name in a folder: any text but what no name can be. */
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[/\0\\:]/.test(text) && !/^\.\.?$/.test(text));
const contents = fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 5_000 })), { maxLength: 6, selector: ([path]) => path });

describe('a container', () => {
  test('gives back any files of any content under any name', async () => {
    await fc.assert(
      fc.asyncProperty(contents, async (files) => {
        await write(new Map(files));
        expect(await read()).toEqual(new Map(files.map(([path, content]) => [path, Buffer.from(content)])));
      }),
      { numRuns: 50 },
    );
  });

  test('is found out wherever a bit of it is another one', async () => {
    const text = Buffer.from('rows of a tenant '.repeat(40));
    await write(new Map([['a', text]]));
    const whole = await readFile(file);
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(file, bytes);
      await expect(read(), `byte ${at} of ${whole.length}`).rejects.toMatchObject({ code: 'data_corrupt' });
    }
  });

  test('is found out wherever it ends too early, and where something follows', async () => {
    await write(new Map([['a', Buffer.from('content')]]));
    const whole = await readFile(file);
    for (let length = whole.length - 1; length >= 0; length--) {
      await truncate(file, length);
      await expect(read(), `${length} of ${whole.length} bytes`).rejects.toMatchObject({ code: 'data_corrupt' });
    }
    await writeFile(file, Buffer.concat([whole, Buffer.from([0])]));
    await expect(read()).rejects.toMatchObject({ code: 'data_corrupt' });
  });

  test('names the file in it that is damaged', async () => {
    await write(
      new Map([
        ['first', Buffer.from('first content')],
        ['second', Buffer.from('second content')],
      ]),
    );
    const { backup } = await openContainer(file);
    const bytes = await readFile(file);
    const at = 8 + (backup.files[0]?.storedBytes ?? 0) + 15;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await expect(read()).rejects.toThrow(`${file} is damaged: second in it is not what was written.`);
  });

  test.each(['../x', '/x', 'a/../../x', '', '.', 'a//b', 'nowhere/x', 'x\0'])('whose manifest says %j leads nowhere', async (path) => {
    await write(new Map([['a', Buffer.from('content')]]));
    await rewriteManifest(({ files, ...rest }) => ({ ...rest, files: files.map((entry) => ({ ...entry, path })) }));
    await expect(openContainer(file)).rejects.toMatchObject({ code: 'data_corrupt' });
  });

  test('of a newer format is refused as newer', async () => {
    await write(new Map());
    await rewriteManifest((backup) => ({ ...backup, version: 2 }));
    await expect(openContainer(file)).rejects.toMatchObject({ code: 'data_folder_newer' });
  });

  test.each(['', 'burgbak1', 'something else that is longer than a footer of forty bytes is'])('that is %j is none', async (text) => {
    await writeFile(file, text);
    await expect(openContainer(file)).rejects.toMatchObject({ code: 'data_corrupt' });
  });

  test('is not there before it is finished, replaces nothing unasked, and is for its owner alone', async () => {
    const first = await createContainer(file, { replace: false });
    const second = await createContainer(file, { replace: false });
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    await first.finish(about);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(second.finish(about)).rejects.toMatchObject({ code: 'already_exists' });
    await second.discard();
    await expect(createContainer(file, { replace: false })).rejects.toMatchObject({ code: 'already_exists' });
    expect(await readdir(folder)).toEqual(['a.backup']);
    const third = await createContainer(file, { replace: true });
    await third.finish({ ...about, dataFormat: 7 });
    expect((await openContainer(file)).backup.dataFormat).toBe(7);
  });
});

async function rewriteManifest(change: (backup: Backup) => object): Promise<void> {
  const bytes = await readFile(file);
  const at = Number(bytes.readBigUInt64BE(bytes.length - 40));
  const backup = JSON.parse(gunzipSync(bytes.subarray(at, -40)).toString()) as Backup;
  await writeFile(file, Buffer.concat([bytes.subarray(0, at), gzipSync(JSON.stringify(change(backup))), bytes.subarray(-40)]));
}
