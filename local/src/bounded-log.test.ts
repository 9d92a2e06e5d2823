// Holds a bounded log to its bound, whatever is written, and to the last words of a process.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BoundedLog } from './bounded-log.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-log-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function say(file: string, bytesMax: number, ...chunks: string[]): Promise<BoundedLog> {
  const log = new BoundedLog(file, bytesMax);
  for (const chunk of chunks) log.write(chunk);
  log.end();
  await finished(log);
  return log;
}

test('two files hold the end of what was said, over any number of writers in turn, and neither grows beyond its bound', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 })), { maxLength: 4 }),
      async (writers) => {
        const file = join(folder, `${++run}.log`);
        for (const chunks of writers) await say(file, 32, ...chunks);
        const all = writers.flat().join('');
        const older = await readFile(`${file}.1`, 'utf8').catch(() => '');
        const newer = await readFile(file, 'utf8').catch(() => '');
        expect(newer.length).toBeLessThanOrEqual(32);
        expect(older.length).toBeLessThanOrEqual(32);
        expect(all.endsWith(older + newer)).toBe(true);
        expect((older + newer).length).toBeGreaterThanOrEqual(Math.min(all.length, 32));
      },
    ),
    { numRuns: 50 },
  );
  expect((await readdir(folder)).every((name) => /^\d+\.log(\.1)?$/.test(name))).toBe(true);
});

test.each([
  ['what it said last', 'one\ntwo\n\n', 'two'],
  [
    'the error, not its frames',
    'file:///x.js:1\nthrow new Error("no database");\n      ^\n\nError: no database\n    at x.js:1\n\nNode.js v26.10.0\n',
    'Error: no database',
  ],
  [
    'the error, not where it came out',
    "Error: listen EADDRINUSE\n    at x\nEmitted 'error' event on Server instance at:\n    at y {\n  code: 1\n}\n\nNode.js v26.10.0\n",
    'Error: listen EADDRINUSE',
  ],
  [
    'what an entry in JSON complains of, not what came after it went well',
    '{"level":"error","msg":"it failed","err":{"message":"no database"}}\n{"level":"info","msg":"listening"}\n',
    'no database',
  ],
  ['nothing where entries only tell that all went well', '{"level":"info","msg":"listening"}\n', ''],
  ['nothing that a terminal obeys', 'Error: \u001b]0;title\u0007\u202enow\n', 'Error: \ufffd]0;title\ufffd\ufffdnow'],
  ['a line that was not ended', 'one\ntwo', 'two'],
  ['nothing', '', ''],
])('the last line is %s', async (_, text, line) => {
  expect((await say(join(folder, 'x.log'), 1_000, text)).lastLine).toBe(line);
});

test('where it cannot be written it takes what is said and goes on', async () => {
  const log = await say(join(folder, 'x.log', 'y.log'), 10, 'one\n');
  expect(log.lastLine).toBe('one');
  await say(join(folder, 'x.log'), 10, 'one\n');
  expect((await say(join(folder, 'x.log', 'y.log'), 10, 'two\n')).lastLine).toBe('two');
});
