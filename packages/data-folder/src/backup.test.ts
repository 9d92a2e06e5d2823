// Backup and restore of a whole data folder: one moment of all of it, whole or not at all.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { backUp, dataPaths, restore, takeLock, verifyBackup } from './index.ts';

let around: string;
let folder: string;
let file: string;
let writer: ChildProcess | undefined;

const now = new Date('2026-01-02T03:04:05.678Z');
const own = 'apps/desk-shared/own/ten_1.sqlite';
const databases = ['store/registry.sqlite', 'store/provisioner.sqlite', 'store/api.sqlite', 'events.sqlite', own];

beforeEach(async () => {
  around = await mkdtemp(join(tmpdir(), 'burgage-backup-'));
  folder = join(around, 'data');
  file = join(around, 'a.backup');
  for (const name of ['store', 'run', 'logs', 'fences', 'gateway', 'mail', 'instances', 'secrets', 'files/ten_1', 'apps/desk-shared/own'])
    await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  await put('format.json', '{"version":1,"engines":"embedded"}\n');
  await put('secrets/admin-token', 'bur_secret\n');
  for (const name of databases) {
    const database = new DatabaseSync(join(folder, name));
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE seen (n INTEGER PRIMARY KEY); INSERT INTO seen VALUES (0)');
    database.close();
  }
});

afterEach(async () => {
  if (writer !== undefined && writer.exitCode === null && writer.signalCode === null) {
    writer.kill('SIGKILL');
    await once(writer, 'exit');
  }
  writer = undefined;
  await rm(around, { recursive: true, force: true });
});

async function put(path: string, content: string, mode = 0o600): Promise<void> {
  await writeFile(join(folder, path), content);
  await chmod(join(folder, path), mode);
}

const highest = (name: string, inside = folder): number => {
  const database = new DatabaseSync(join(inside, name), { readOnly: true });
  try {
    return Number(database.prepare('SELECT max(n) AS n FROM seen').get()?.n);
  } finally {
    database.close();
  }
};

const filesIn = async (inside: string): Promise<readonly string[]> => {
  const entries = await readdir(inside, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(inside.length + 1))
    .sort();
};

/** A process that runs `script` with `databases` open and says `on` once it does; it ends itself when this one is gone. */
async function startWriter(script: string): Promise<ChildProcess> {
  const prelude = `
    const { DatabaseSync } = require('node:sqlite');
    const { writeFileSync, renameSync } = require('node:fs');
    process.stdin.on('end', () => process.exit()).resume();
    const folder = process.argv[1];
    const of = (name) => new DatabaseSync(folder + '/' + name, { timeout: 5000 });
    const insert = (database) => { const statement = database.prepare('INSERT INTO seen VALUES (?)'); return (n) => statement.run(n); };
    ${script}
    process.stdout.write('on');`;
  writer = spawn(process.execPath, ['-e', prelude, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(writer.stdout as NodeJS.ReadableStream, 'data');
  return writer;
}

describe('a backup', () => {
  test('is of one moment of all databases and files, while a process goes on writing to them in order', async () => {
    // What makes the moment last: an order of copies alone would not do.
    for (let n = 0; n < 400; n++) await put(`files/ten_1/${n}`, '');
    // As an operation does: the intent, its effects in several places, the result.
    await startWriter(`
      const provisioner = of('store/provisioner.sqlite');
      provisioner.exec('CREATE TABLE intents (n INTEGER PRIMARY KEY)');
      const intend = provisioner.prepare('INSERT INTO intents VALUES (?)');
      const result = insert(provisioner);
      const effects = [insert(of('store/registry.sqlite')), insert(of('${own}')), (n) => {
        writeFileSync(folder + '/instances/ten_1-silo.json.part', String(n));
        renameSync(folder + '/instances/ten_1-silo.json.part', folder + '/instances/ten_1-silo.json');
      }];
      let n = 0;
      setInterval(() => { n++; intend.run(n); for (const effect of effects) effect(n); result(n); }, 0);
    `);
    const moments: number[] = [];
    for (let round = 0; round < 3; round++) {
      await backUp({ folder, file, now, replace: true });
      const copy = join(around, `copy-${round}`);
      await restore({ file, folder: copy, now });
      const done = highest('store/provisioner.sqlite', copy);
      const provisioner = new DatabaseSync(join(copy, 'store/provisioner.sqlite'), { readOnly: true });
      const begun = Number(provisioner.prepare('SELECT max(n) AS n FROM intents').get()?.n ?? 0);
      provisioner.close();
      const instance = Number(await readFile(join(copy, 'instances/ten_1-silo.json'), 'utf8').catch(() => '0'));
      for (const effect of [highest('store/registry.sqlite', copy), highest(own, copy), instance]) {
        expect(effect, `round ${round}: all that has a result is in the copy`).toBeGreaterThanOrEqual(done);
        expect(effect, `round ${round}: nothing is in the copy that has no intent there`).toBeLessThanOrEqual(begun);
      }
      moments.push(done);
    }
    // It did go on meanwhile.
    expect(new Set(moments).size).toBe(moments.length);
  }, 120_000);

  test('has what a process that was killed had committed and not yet brought into its databases', async () => {
    const killed = await startWriter(`const put = insert(of('store/registry.sqlite')); for (let n = 1; n <= 50; n++) put(n);`);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    await backUp({ folder, file, now });
    await restore({ file, folder: join(around, 'copy'), now });
    expect(highest('store/registry.sqlite', join(around, 'copy'))).toBe(50);
  });

  test('has secrets, empty folders and modes, and nothing that belongs to one run', async () => {
    await put('mail/one.eml', 'Hello');
    await put('mail/two.eml.4711.part', 'Hel');
    await put('instances/ten_1-silo.json', '{}');
    await put('files/ten_1/photo', 'photo', 0o640);
    for (const name of ['runtime.json', 'run/registry.sock', 'logs/control.log', 'fences/ten_1.sqlite', 'gateway/routes.table'])
      await put(name, 'of one run');
    await put('instances/ten_1-silo.status.json', '{}');
    await mkdir(join(folder, 'apps/desk-shared/staging'));
    await put('apps/desk-shared/staging/1.sqlite', 'half an archive');
    // Nobody opens it: that would end the lock of whoever has it.
    const lock = await takeLock(dataPaths(folder));
    await backUp({ folder, file, now });
    await expect(takeLock(dataPaths(folder))).rejects.toMatchObject({ code: 'data_folder_in_use' });
    lock.close();
    const copy = join(around, 'copy');
    await restore({ file, folder: copy, now });
    expect(await filesIn(copy)).toEqual(
      [...databases, 'files/ten_1/photo', 'format.json', 'instances/ten_1-silo.json', 'mail/one.eml', 'secrets/admin-token'].sort(),
    );
    expect(await readFile(join(copy, 'secrets/admin-token'), 'utf8')).toBe('bur_secret\n');
    const modeOf = async (path: string): Promise<number> => (await stat(join(copy, path))).mode & 0o777;
    expect([await modeOf(''), await modeOf('store'), await modeOf('secrets/admin-token'), await modeOf('files/ten_1/photo')]).toEqual([
      0o700, 0o700, 0o600, 0o640,
    ]);
    expect(await readdir(join(folder, 'run'))).toEqual(['registry.sock']);
  });

  test('leaves nothing where it was given up, and removes what one that was killed has left', async () => {
    await mkdir(join(folder, 'run/backup-4194305'));
    const stop = new AbortController();
    const pending = backUp({ folder, file, now, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(around)).toEqual(['data']);
    expect(await readdir(join(folder, 'run'))).toEqual([]);
  });

  test('is refused for a damaged database, naming it', async () => {
    const registry = join(folder, 'store/registry.sqlite');
    const database = new DatabaseSync(registry);
    database.exec('WITH RECURSIVE up (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM up LIMIT 20000) INSERT INTO seen SELECT n FROM up');
    database.close();
    const bytes = await readFile(registry);
    bytes.fill(0xff, 4_096 * 3, 4_096 * 5);
    await writeFile(registry, bytes);
    await expect(backUp({ folder, file, now })).rejects.toMatchObject({ code: 'data_corrupt', message: expect.stringContaining(registry) });
    expect(await readdir(around)).toEqual(['data']);
  });

  test.each([
    ['a folder that is none', 'config_invalid', async () => rm(join(folder, 'format.json'))],
    ['one whose state is in servers', 'config_invalid', async () => put('format.json', '{"version":1,"engines":"mesh"}')],
    ['one of a newer format', 'data_folder_newer', async () => put('format.json', '{"version":2}')],
    ['one with a link in it', 'config_invalid', async () => symlink('/etc', join(folder, 'apps/etc'))],
    ['a database under another name', 'config_invalid', async () => copyFile(join(folder, own), join(folder, 'apps/desk-shared/rows.db'))],
    ['what is not SQLite under the name of a database', 'data_corrupt', async () => put(own, 'not a database')],
  ] as const)('of %s is refused with %s', async (_, code, make) => {
    await make();
    await expect(backUp({ folder, file, now })).rejects.toMatchObject({ code });
    expect(await readdir(around)).toEqual(['data']);
  });

  test('is not made in the folder that it is of', async () => {
    const inside = join(folder, 'mail', 'a.backup');
    await expect(backUp({ folder, file: inside, now })).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

describe('a restore', () => {
  test('moves the folder that is there aside when it is told to, and only then', async () => {
    await backUp({ folder, file, now });
    await put('mail/later.eml', 'later');
    await expect(restore({ file, folder, now })).rejects.toMatchObject({ code: 'already_exists' });
    expect(await readdir(around)).toEqual(['a.backup', 'data']);
    const { before } = await restore({ file, folder, replace: true, now });
    expect(before).toBe(`${folder}.before-2026-01-02T03-04-05-678Z`);
    expect(await readdir(join(before ?? '', 'mail'))).toEqual(['later.eml']);
    expect(await readdir(join(folder, 'mail'))).toEqual([]);
    expect(await readdir(around)).toEqual(['a.backup', 'data', 'data.before-2026-01-02T03-04-05-678Z']);
  });

  test('is refused while somebody has the folder, also when it may be replaced', async () => {
    await backUp({ folder, file, now });
    const lock = await takeLock(dataPaths(folder));
    for (const replace of [false, true])
      await expect(restore({ file, folder, replace, now })).rejects.toMatchObject({ code: 'data_folder_in_use' });
    lock.close();
    expect(await readdir(around)).toEqual(['a.backup', 'data']);
  });

  test('goes into an empty folder and into none, never into the place of something else', async () => {
    await backUp({ folder, file, now });
    await mkdir(join(around, 'empty'));
    await restore({ file, folder: join(around, 'empty'), now });
    expect(highest(own, join(around, 'empty'))).toBe(0);
    await restore({ file, folder: join(around, 'deep', 'down'), now });
    await rename(join(around, 'deep/down/format.json'), join(around, 'deep/down/letter.txt'));
    for (const other of [join(around, 'deep'), join(around, 'deep/down'), file]) {
      await expect(restore({ file, folder: other, replace: true, now })).rejects.toMatchObject({ code: 'config_invalid' });
    }
  });

  test('of a damaged backup puts nothing in place and says which file in it is damaged', async () => {
    await put('mail/one.eml', 'Hello '.repeat(1_000));
    await backUp({ folder, file, now });
    const { backup } = await verifyBackup({ file });
    const position = backup.files.findIndex(({ path }) => path === 'mail/one.eml');
    const at = 8 + backup.files.slice(0, position).reduce((sum, { storedBytes }) => sum + storedBytes, 0) + 20;
    const bytes = await readFile(file);
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    await writeFile(file, bytes);
    const refusal = { code: 'data_corrupt', message: expect.stringContaining('mail/one.eml') };
    await expect(verifyBackup({ file })).rejects.toMatchObject(refusal);
    await expect(restore({ file, folder, replace: true, now })).rejects.toMatchObject(refusal);
    await expect(restore({ file, folder: join(around, 'copy'), now })).rejects.toMatchObject(refusal);
    expect(await readdir(around)).toEqual(['a.backup', 'data']);
    expect(await readdir(join(folder, 'mail'))).toEqual(['one.eml']);
  });

  test('that is given up leaves everything as it was', async () => {
    await backUp({ folder, file, now });
    const stop = new AbortController();
    const pending = restore({ file, folder, replace: true, now, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(around)).toEqual(['a.backup', 'data']);
  });
});
