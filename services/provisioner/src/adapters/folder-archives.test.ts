// Holds archives to their promise: what was written comes back, and nothing else does.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, systemClock, systemRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Archives } from '../domain/ports.ts';
import { createFences } from './fences.ts';
import { archiveKeyFrom, createFolderArchives } from './folder-archives.ts';

let folder: string;
let archives: Archives;
const key = seededRandom(1).bytes(32);
const fence = { operationId: 'op', token: 2 };
const unhurried = new AbortController().signal;

const withKey = (own: Uint8Array): Archives =>
  createFolderArchives({
    folder: join(folder, 'archives'),
    key: own,
    fences: createFences({ folder: join(folder, 'fences'), clock: systemClock, random: systemRandom }),
    random: systemRandom,
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-archives-'));
  archives = withKey(key);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

const write = (name: string, ...parts: Uint8Array[]) => archives.write(name, pieces(...parts), fence, 'ten_A', unhurried);
const read = async (name: string, from = archives): Promise<Buffer> => Buffer.concat(await Array.fromAsync(from.read(name, unhurried)));
const fileOf = (name: string): string => join(folder, 'archives', `${name}.archive`);

/** Several chunks, which no compression makes fewer. */
const large = Buffer.from(seededRandom(2).bytes(200_000));

describe('an archive', () => {
  test('gives any bytes back, in whatever pieces they came', async () => {
    const sizes = fc.array(fc.oneof(fc.nat({ max: 200 }), fc.integer({ min: 65_000, max: 66_100 })), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer(), async (lengths, seed) => {
        const random = seededRandom(seed);
        const parts = lengths.map((length) => random.bytes(length));
        const { bytes } = await write('a', ...parts);
        expect((await stat(fileOf('a'))).size).toBe(bytes);
        expect((await read('a')).equals(Buffer.concat(parts))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('in which any one bit is another is found out, and named', async () => {
    await write('a', large);
    const whole = await readFile(fileOf('a'));
    const place = fc.oneof(
      fc.nat({ max: 120 }),
      fc.nat({ max: whole.length - 1 }),
      fc.integer({ min: whole.length - 40, max: whole.length - 1 }),
    );
    await fc.assert(
      fc.asyncProperty(place, fc.nat({ max: 7 }), async (at, bit) => {
        const changed = Buffer.from(whole);
        changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
        await writeFile(fileOf('a'), changed);
        await expect(read('a')).rejects.toMatchObject({ code: 'data_corrupt', message: expect.stringContaining(fileOf('a')) });
      }),
      { numRuns: 60 },
    );
  });

  test('that was cut off anywhere, or goes on after its end, is found out', async () => {
    await write('a', large);
    const whole = await readFile(fileOf('a'));
    const sealed = 65_536 + 16;
    const cuts = [0, 1, 8, 39, 40, 41, 56, 40 + sealed, 40 + 2 * sealed, 40 + 3 * sealed, whole.length - 16, whole.length - 1];
    for (const cut of cuts.filter((at) => at < whole.length)) {
      await writeFile(fileOf('a'), whole.subarray(0, cut));
      await expect(read('a'), `cut at ${cut}`).rejects.toMatchObject({ code: 'data_corrupt' });
    }
    for (const more of [Buffer.alloc(1), Buffer.alloc(sealed), whole.subarray(40)]) {
      await writeFile(fileOf('a'), Buffer.concat([whole, more]));
      await expect(read('a')).rejects.toMatchObject({ code: 'data_corrupt' });
    }
  });

  test('whose chunks changed places, or that goes by the name of another, is found out', async () => {
    await write('a', large);
    const whole = await readFile(fileOf('a'));
    const sealed = 65_536 + 16;
    const chunk = (index: number): Buffer => whole.subarray(40 + index * sealed, 40 + (index + 1) * sealed);
    await writeFile(fileOf('a'), Buffer.concat([whole.subarray(0, 40), chunk(1), chunk(0), whole.subarray(40 + 2 * sealed)]));
    await expect(read('a')).rejects.toMatchObject({ code: 'data_corrupt' });
    await write('b', large);
    await rename(fileOf('b'), fileOf('a'));
    await expect(read('a')).rejects.toMatchObject({ code: 'data_corrupt' });
  });

  test('tells nothing without the key, and is never the same twice', async () => {
    const rows = Buffer.from('{"r":["Ada","ada@acme.test"]}\n'.repeat(1_000));
    await write('a', rows);
    const first = await readFile(fileOf('a'));
    expect(first.includes('acme.test')).toBe(false);
    expect(first.length).toBeLessThan(rows.length / 10);
    expect((await stat(fileOf('a'))).mode & 0o777).toBe(0o600);
    await expect(read('a', withKey(seededRandom(9).bytes(32)))).rejects.toMatchObject({ code: 'data_corrupt' });
    await write('a', rows);
    expect((await readFile(fileOf('a'))).subarray(40).equals(first.subarray(40))).toBe(false);
  });

  test('may lie in a folder below, as do the parts that a killed writer left, which go with the next', async () => {
    await write('ten_A/op_1', large);
    const left = `${fileOf('ten_A/op_1')}.0b7c.part`;
    await writeFile(left, 'half');
    await write('ten_A/op_1', large);
    expect(await readdir(join(folder, 'archives', 'ten_A'))).toEqual(['op_1.archive']);
    expect((await read('ten_A/op_1')).equals(large)).toBe(true);
    await writeFile(left, 'half');
    await archives.remove('ten_A/op_1', fence, 'ten_A');
    expect(await readdir(join(folder, 'archives', 'ten_A'))).toEqual([]);
  });

  test('that is not there is said not to be, and is no error to remove', async () => {
    await expect(read('a')).rejects.toMatchObject({ code: 'not_found' });
    await archives.remove('a', fence, 'ten_A');
    await write('a', large);
    await archives.remove('a', fence, 'ten_A');
    expect(await readdir(join(folder, 'archives'))).toEqual([]);
  });

  test('whose source fails leaves the one before it', async () => {
    await write('a', Buffer.from('before'));
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield large;
      throw new Error('the app went away');
    }
    await expect(archives.write('a', failing(), fence, 'ten_A', unhurried)).rejects.toThrow('the app went away');
    expect(String(await read('a'))).toBe('before');
    expect(await readdir(join(folder, 'archives'))).toEqual(['a.archive']);
  });

  test('of a late writer never takes the place of a later one, even where it began before', async () => {
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('late');
      begun.resolve();
      await goOn.promise;
    }
    const late = archives.write('a', slow(), { operationId: 'op', token: 1 }, 'ten_A', unhurried);
    late.catch(() => undefined);
    await begun.promise;
    await write('a', Buffer.from('later'));
    goOn.resolve();
    await expect(late).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '2' } });
    await expect(archives.remove('a', { operationId: 'op', token: 1 }, 'ten_A')).rejects.toMatchObject({ code: 'fenced' });
    expect(String(await read('a'))).toBe('later');
    expect(await readdir(join(folder, 'archives'))).toEqual(['a.archive']);
  });

  test('is given up when the caller says so, and leaves nothing', async () => {
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield large;
        stop.abort();
      }
    }
    await expect(archives.write('a', endless(), fence, 'ten_A', stop.signal)).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(await readdir(join(folder, 'archives'))).toEqual([]);
  });

  test('for which there is no room says so, and leaves nothing', async () => {
    const script = join(folder, 'writer.mjs');
    const here = (file: string): string => JSON.stringify(join(import.meta.dirname, file));
    await writeFile(
      script,
      `import { createFences } from ${here('fences.ts')};
       import { createFolderArchives } from ${here('folder-archives.ts')};
       import { seededRandom, systemClock as clock, systemRandom as random } from ${here('../../../../packages/runtime/src/index.ts')};
       const [folder] = process.argv.slice(2);
       const fences = createFences({ folder: folder + '/fences', clock, random });
       const archives = createFolderArchives({ folder: folder + '/archives', key: seededRandom(1).bytes(32), fences, random });
       async function* rows() { for (let i = 0; i < 40; i++) yield seededRandom(i).bytes(65_536); }
       try {
         await archives.write('a', rows(), { operationId: 'op', token: 1 }, 'ten_A', new AbortController().signal);
         process.stdout.write('written');
       } catch (error) { process.stdout.write(error.code + ' ' + error.message); }`,
    );
    // A limit of 1 MiB a file stands for a full disk: the kernel refuses the write in the same way.
    const said = execFileSync('sh', ['-c', 'ulimit -f 2048; exec "$0" "$@"', process.execPath, script, folder], { encoding: 'utf8' });
    expect(said).toBe(`disk_full There is no room left on the disk for ${fileOf('a')}.`);
    expect(await readdir(join(folder, 'archives'))).toEqual([]);
  });

  test('is never outside of its folder', async () => {
    for (const name of ['..', '../x', '/etc/x', 'a/../b', 'a//b', 'a/', '', '.hidden'])
      await expect(write(name)).rejects.toMatchObject({ code: 'internal' });
  });
});

test('a key is 32 bytes in base64url in a file, and what is in another is not shown', async () => {
  const file = join(folder, 'key');
  const text = Buffer.from(key).toString('base64url');
  await writeFile(file, `${text}\n`);
  expect(await archiveKeyFrom(file)).toEqual(Buffer.from(key));
  for (const other of ['', 'short', text.slice(1), `${text}AAAA`, `${text} x`]) {
    await writeFile(file, other);
    const refused = archiveKeyFrom(file);
    await expect(refused, other).rejects.toMatchObject({ code: 'config_invalid', message: expect.not.stringContaining(text.slice(1)) });
  }
  await expect(archiveKeyFrom(join(folder, 'none'))).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('ENOENT'),
  });
});
