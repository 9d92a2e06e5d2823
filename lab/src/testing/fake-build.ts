// A product that installs itself when the test says so, and the program that installs it: `node fake-build.ts`.
import { existsSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@burgage/runtime';
import { cacheFolder } from '../cache.ts';
import { install } from '../install.ts';
import type { Build } from '../product.ts';

const pollMs = 10;

export const fakeBuild: Build = {
  name: 'fake',
  version: '1.0',
  needs: [],
  usuallySeconds: 1,
  /** Writes a line into `attempts` of the cache and the first half of the product; goes on when there is a file `go`. */
  async install(folder, { scratch }) {
    await writeFile(join(folder, 'first'), '');
    await writeFile(join(scratch, 'thrown-away'), '');
    await appendFile(join(cacheFolder(), 'attempts'), `${process.pid}\n`);
    while (!existsSync(join(cacheFolder(), 'go'))) await systemClock.sleep(pollMs);
    await writeFile(join(folder, 'second'), '');
  },
};

if (import.meta.main) process.stdout.write(await install(fakeBuild));
