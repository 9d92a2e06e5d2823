// A snapshot holds files whole that are replaced while it is taken.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataPaths } from './paths.ts';
import { takeSnapshot } from './snapshot.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-snapshot-'));
  await mkdir(join(folder, 'instances'));
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

test('holds a file whole that another process replaces all the time, by longer ones and shorter ones', async () => {
  const path = 'instances/ten_1-silo.json';
  const whole = (length: number): string => `${length}:${'a'.repeat(length)}`;
  await writeFile(join(folder, path), whole(1));
  const replacer = spawn(
    process.execPath,
    [
      '-e',
      `const { writeFileSync, renameSync } = require('node:fs');
      process.stdin.on('end', () => process.exit()).resume();
      const file = process.argv[1];
      let n = 0;
      setInterval(() => {
        for (const end = Date.now() + 5; Date.now() < end; n++) {
          const length = 1 + ((n * 37) % 211);
          writeFileSync(file + '.part', length + ':' + 'a'.repeat(length));
          renameSync(file + '.part', file);
        }
        process.stdout.write('.');
      }, 0);`,
      join(folder, path),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  try {
    await once(replacer.stdout, 'data');
    replacer.stdout.resume();
    const seen = new Set<number>();
    for (let round = 0; round < 1_000; round++) {
      const staging = join(folder, 'run', `${round}`);
      await mkdir(staging, { recursive: true });
      const { files, release } = await takeSnapshot(dataPaths(folder), staging);
      release();
      expect(files.map((file) => file.path)).toEqual([path]);
      for (const { source, bytes } of files) {
        const content = await readFile(source, 'latin1');
        const length = Number.parseInt(content, 10);
        expect(content).toBe(whole(length));
        expect(bytes, 'what is copied of it').toBe(content.length);
        seen.add(length);
      }
    }
    expect(seen.size, 'it was replaced meanwhile').toBeGreaterThan(20);
  } finally {
    replacer.kill('SIGKILL');
    await once(replacer, 'exit');
  }
}, 60_000);
