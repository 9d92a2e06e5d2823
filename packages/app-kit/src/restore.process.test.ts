import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Digest } from './archive-format.ts';
import { openTenantData, type TenantData } from './tenant-data.ts';
import { migrations, notes } from './testing-process.ts';

const places = ['pool', 'own'] as const;
const info = { slug: 'a', name: 'A', color: '#000000' };
let folder: string;
let started: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'app-kit-process-'));
});
afterEach(async () => {
  if (started?.exitCode === null && started.signalCode === null) {
    started.kill('SIGKILL');
    await once(started, 'close');
  }
  started = undefined;
  rmSync(folder, { recursive: true });
});

const open = (): TenantData => openTenantData({ folder: join(folder, 'data'), migrations, tables: [notes] });

interface Work {
  readonly child: ChildProcess;
  /** Resolves when it has said so many lines, or is gone. */
  said(lines: number): Promise<void>;
  /** Resolves when it has said this, or is gone. */
  until(line: string): Promise<void>;
  /** Everything that it says until it is gone. */
  everything(): Promise<string[]>;
}

function start(command: string[]): Work {
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  started = child;
  const closed = once(child, 'close');
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  const lines = () => output.split('\n').slice(0, -1);
  async function outputUntil(isEnough: () => boolean): Promise<void> {
    while (!isEnough() && child.exitCode === null) await Promise.race([once(child.stdout as Readable, 'data'), closed]);
  }
  return {
    child,
    said: (count) => outputUntil(() => lines().length >= count),
    until: (line) => outputUntil(() => lines().includes(line)),
    async everything() {
      await closed;
      return lines();
    },
  };
}
const worker = (...args: string[]) => [process.execPath, join(import.meta.dirname, 'testing-process.ts'), ...args];

/** An archive of `rows` rows of a kilobyte in a file. */
async function archiveOf(rows: number): Promise<{ file: string; digest: Digest }> {
  const source = openTenantData({ folder: join(folder, 'source'), migrations, tables: [notes] });
  await source.prepare('ten_a', info);
  const tenant = source.for('ten_a');
  tenant.transaction(() => {
    for (let id = 0; id < rows; id += 1) tenant.table(notes).insert({ id: `new-${id}`, title: 'x'.repeat(1_000) });
  });
  const file = join(folder, 'archive.ndjson');
  await pipeline(Readable.from(source.archive('ten_a')), createWriteStream(file));
  const digest = await source.digest('ten_a');
  source.close();
  return { file, digest };
}

describe.each(places)('with the rows in %s', (place) => {
  test('a process that is killed anywhere in a restore leaves all of the old rows, all of the new ones or, in the pool, nobody who sees any', async () => {
    const { file, digest } = await archiveOf(1_000);
    const seen = new Set<string>();
    // After the n-th line that it says; the last ones are those around the moment at which the rows change places.
    for (const lines of [1, 5, 12, 17, 18]) {
      let data = open();
      await data.remove('ten_a', { place });
      await data.prepare('ten_a', info, { place });
      data.for('ten_a', place).table(notes).insert({ id: 'old', title: 't' });
      const old = await data.digest('ten_a', place);
      data.close();
      const { child, said, everything } = start(worker('restore', join(folder, 'data'), place, file));
      await said(lines);
      child.kill('SIGKILL');
      await everything();
      data = open();
      expect(existsSync(join(folder, 'data', 'staging')) ? readdirSync(join(folder, 'data', 'staging')) : []).toEqual([]);
      if (!data.isPrepared('ten_a', place)) {
        expect(place).toBe('pool');
        expect((await data.places()).places).toMatchObject([{ unfinished: true }]);
        await data.restore('ten_a', createReadStream(file), { place });
      }
      const left = await data.digest('ten_a', place);
      expect([old, digest]).toContainEqual(left);
      seen.add(left.notes?.rows === 1 ? 'old' : 'new');
      data.thaw('ten_a', { place });
      data.for('ten_a', place).table(notes).insert({ id: 'goes on', title: 't' });
      data.close();
    }
    expect([...seen].sort()).toEqual(['new', 'old']);
  });

  test("a restore works under Node's permission model, which has no fsync", async () => {
    const { file } = await archiveOf(10);
    const [node = '', ...program] = worker('restore', join(folder, 'data'), place, file);
    const { everything } = start([node, '--permission', '--allow-fs-read=*', `--allow-fs-write=${folder}`, ...program]);
    const said = await everything();
    expect(said.slice(-2)).toEqual([
      'restored',
      `left ${JSON.stringify([{ tenantId: 'ten_a', place, frozen: true, rows: { notes: 10 } }])}`,
    ]);
  });

  test('a freeze stops another process too: what it was told it wrote is in the archive, and nothing comes after', async () => {
    const data = open();
    try {
      await data.prepare('ten_a', info, { place });
      const { said, everything } = start(worker('write', join(folder, 'data'), place));
      await said(20);
      data.freeze('ten_a', 'a move', { place });
      const digest = await data.digest('ten_a', place);
      const lines = await everything();
      const acknowledged = lines.filter((line) => line.startsWith('wrote '));
      expect(acknowledged.length).toBeGreaterThanOrEqual(20);
      expect(lines[acknowledged.length]).toBe('refused tenant_moving');
      expect(digest.notes?.rows).toBe(acknowledged.length);
      expect(await data.digest('ten_a', place)).toEqual(digest);
    } finally {
      data.close();
    }
  });
});

describe('in the pool', () => {
  const rows = 2_000;

  async function withOldRows(): Promise<Digest> {
    const data = open();
    for (const id of ['ten_a', 'ten_b']) {
      await data.remove(id);
      await data.prepare(id, info);
    }
    const tenant = data.for('ten_a');
    tenant.transaction(() => {
      for (let id = 0; id < rows; id += 1) tenant.table(notes).insert({ id: `old-${id}`, title: 't' });
    });
    const digest = await data.digest('ten_a');
    data.close();
    return digest;
  }

  /** What there is of the tenant: all of it, nothing, or what nobody sees. */
  async function standing(data: TenantData, whole: Record<string, Digest>): Promise<string> {
    const [place, neighbour, ...others] = (await data.places()).places.toSorted((one) => (one.tenantId === 'ten_a' ? -1 : 1));
    if (place?.tenantId !== 'ten_a') return 'gone';
    expect([neighbour, ...others]).toEqual([{ tenantId: 'ten_b', place: 'pool', frozen: false, rows: { notes: 0 } }]);
    if (data.isPrepared('ten_a')) {
      const { notes } = await data.digest('ten_a');
      return Object.keys(whole).find((name) => whole[name]?.notes?.hash === notes?.hash) ?? 'a part of it';
    }
    expect(place.unfinished).toBe(true);
    expect(() => data.for('ten_a')).toThrow(expect.objectContaining({ code: 'tenant_not_prepared' }));
    await expect(data.digest('ten_a')).rejects.toMatchObject({ code: 'tenant_not_prepared' });
    return 'unfinished';
  }

  test.each([
    ['restore', 'restore', 'new'],
    ['restore', 'remove', 'gone'],
    ['restore', 'prepare', 'empty'],
    ['remove', 'remove', 'gone'],
    ['remove', 'prepare', 'empty'],
  ] as const)(
    'a process that is killed between two slices of a %s leaves what nobody sees, and a %s brings it to its end',
    async (work, next, end) => {
      const { file, digest } = await archiveOf(rows);
      const empty = { notes: { rows: 0, hash: createHash('sha256').digest('hex') } };
      const nexts = {
        restore: (data: TenantData) => data.restore('ten_a', createReadStream(file)),
        remove: (data: TenantData) => data.remove('ten_a'),
        prepare: (data: TenantData) => data.prepare('ten_a', info),
      };
      const seen: string[] = [];
      // The first is before anything was changed; the last is after all that there is to do.
      for (const turns of [0, 4, 8, 10, 500]) {
        const whole = { old: await withOldRows(), new: digest, empty };
        const { child, until, everything } = start(worker(work, join(folder, 'data'), 'pool', file, String(turns)));
        await until('stands still');
        child.kill('SIGKILL');
        await everything();
        const data = open();
        seen.push(await standing(data, whole));
        const isWhole = seen.at(-1) === 'old' || seen.at(-1) === 'new';
        await nexts[next](data);
        if (!(isWhole && next === 'prepare')) expect(await standing(data, whole)).toBe(end);
        data.close();
      }
      expect(seen[0]).toBe('old');
      expect(seen).toContain('unfinished');
      expect(seen.at(-1)).toBe(work === 'restore' ? 'new' : 'gone');
    },
  );
});

/** A disk of five megabytes that only the command sees. */
const onSmallDisk = (mountPoint: string, command: string[]) => [
  'unshare',
  '-Urm',
  'sh',
  '-c',
  `mount -t tmpfs -o size=5m tmpfs '${mountPoint}' && exec "$@"`,
  'sh',
  ...command,
];
const [probe = '', ...probeArguments] = onSmallDisk(tmpdir(), ['true']);
const smallDisks = spawnSync(probe, probeArguments).status === 0;

describe.skipIf(!smallDisks)('on a disk that is too small (needs Linux with user namespaces)', () => {
  // 5,000 rows do not fit at all; 700 can be staged in 3 MB, but not be taken over: then the old ones are gone already.
  test.each([
    ['pool', 5_000],
    ['pool', 700],
    ['own', 5_000],
  ] as const)('a restore to %s of %i rows is refused with disk_full, and nothing of it stays', async (place, rows) => {
    const { file } = await archiveOf(rows);
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const { everything } = start(onSmallDisk(disk, worker('restore', join(disk, 'data'), place, file)));
    const lines = await everything();
    const said = lines.filter((line) => !line.startsWith('read'));
    expect(lines.includes('read everything')).toBe(rows < 5_000);
    const left = { tenantId: 'ten_a', place, frozen: false, rows: { notes: 0 }, ...(rows < 5_000 && { unfinished: true }) };
    expect(said).toEqual(['refused disk_full', `left ${JSON.stringify([left])}`]);
  });
});
