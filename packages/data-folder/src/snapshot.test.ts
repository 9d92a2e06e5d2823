// A snapshot holds files whole that are replaced, removed and put there anew while it is taken.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataPaths } from './paths.ts';
import { takeSnapshot } from './snapshot.ts';
import type { StateFile } from './state.ts';

const path = 'instances/ten_1-silo.json';

let folder: string;
let other: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-snapshot-'));
  await mkdir(join(folder, 'instances'));
  await writeFile(join(folder, path), '1:a');
});
afterEach(async () => {
  if (other !== undefined) {
    other.kill('SIGKILL');
    await once(other, 'exit');
  }
  other = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** Another process does that with `file` again and again, for the `n`th time; it ends itself when this one is gone. */
async function start(script: string): Promise<void> {
  const code = `
    const { chmodSync, renameSync, symlinkSync, unlinkSync, writeFileSync } = require('node:fs');
    process.stdin.on('end', () => process.exit()).resume();
    const file = process.argv[1];
    let n = 0;
    setInterval(() => {
      for (const end = Date.now() + 5; Date.now() < end; n++) { ${script} }
      process.stdout.write('.');
    }, 0);`;
  other = spawn(process.execPath, ['-e', code, join(folder, path)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(other.stdout as NodeJS.ReadableStream, 'data');
  other.stdout?.resume();
}

/** Files have their lengths before them, and are for others to read where that is even. */
const putAnew = `
  const length = 1 + ((n * 37) % 211);
  writeFileSync(file + '.part', length + ':' + 'a'.repeat(length));
  chmodSync(file + '.part', length % 2 === 0 ? 0o644 : 0o600);
  renameSync(file + '.part', file);`;

async function snapshot(round: number): Promise<readonly StateFile[]> {
  const staging = join(folder, 'run', `${round}`);
  await mkdir(staging, { recursive: true });
  const { files, release } = await takeSnapshot(dataPaths(folder), staging);
  release();
  return files;
}

async function expectWhole({ source, bytes, mode }: StateFile): Promise<number> {
  const content = await readFile(source, 'latin1');
  const length = Number.parseInt(content, 10);
  expect(content).toBe(`${length}:${'a'.repeat(length)}`);
  expect(bytes, 'what is copied of it').toBe(content.length);
  expect(mode).toBe(length % 2 === 0 ? 0o644 : 0o600);
  return length;
}

describe('a snapshot', () => {
  test('holds a file whole that another process replaces all the time, by longer ones and shorter ones', async () => {
    await start(putAnew);
    const seen = new Set<number>();
    for (let round = 0; round < 1_000; round++) {
      const files = await snapshot(round);
      expect(files.map((file) => file.path)).toEqual([path]);
      for (const file of files) seen.add(await expectWhole(file));
    }
    expect(seen.size, 'it was replaced meanwhile').toBeGreaterThan(20);
  }, 60_000);

  test('holds a file whole or not at all that another process removes and puts there anew', async () => {
    await start(`unlinkSync(file); ${putAnew}`);
    const counts = [0, 0];
    for (let round = 0; round < 1_000; round++) {
      const files = await snapshot(round);
      counts[files.length] = (counts[files.length] ?? 0) + 1;
      for (const file of files) await expectWhole(file);
    }
    expect(counts).toEqual([expect.any(Number), expect.any(Number)]);
    expect(Math.min(...counts), 'it was there at times, and gone at times').toBeGreaterThan(0);
  }, 60_000);

  test('is refused where a link takes the place of a file, also meanwhile', async () => {
    await start(`symlinkSync('/etc/hostname', file + '.part'); renameSync(file + '.part', file); ${putAnew}`);
    let refused = 0;
    for (let round = 0; round < 1_000; round++) {
      const files = await snapshot(round).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'config_invalid' });
        refused += 1;
        return [];
      });
      for (const file of files) await expectWhole(file);
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(1_000);
  }, 60_000);
});
