import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCatalog } from './index.ts';

const catalogs = fileURLToPath(new URL('../../../catalogs', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-catalogs-'));
  const litedesk = await readFile(join(catalogs, 'litedesk.yaml'), 'utf8');
  await mkdir(join(folder, 'other'));
  await writeFile(join(folder, 'fence.yaml'), litedesk.replace('name: litedesk', 'name: fence'));
  await writeFile(join(folder, 'notes.txt'), '');
  await writeFile(join(folder, 'other', 'broken.yaml'), litedesk.replace('priceMinor: 9900', 'priceMinor: $99'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('a catalog by name or file', () => {
  test('a name is looked for in the catalogs folder', async () => {
    expect((await loadCatalog('fence', folder)).name).toBe('fence');
  });

  test("a path is taken as it is, and the app's entry becomes absolute from the catalog's own folder", async () => {
    expect((await loadCatalog(join(folder, 'fence.yaml'), catalogs)).app.entry).toBe(join(folder, '../examples/desk/src/main.ts'));
    expect((await loadCatalog('litedesk', catalogs)).app.entry).toBe(join(catalogs, '../examples/desk/src/main.ts'));
  });

  test('what the reader refuses comes with the path of the file', async () => {
    const file = join(folder, 'other', 'broken.yaml');
    const lines = (await readFile(file, 'utf8')).split('\n');
    const line = lines.findIndex((text) => text.includes('$99 #')) + 1;
    await expect(loadCatalog(file, folder)).rejects.toMatchObject({
      code: 'catalog_invalid',
      message: expect.stringContaining(`${file}:${line}:17 plans.starter.priceMinor: got "$99", expected`),
    });
  });

  test("an app's entry that is no file is refused at its place where the app is to be started, and nowhere else", async () => {
    const entry = join(folder, '../examples/desk/src/main.ts');
    const file = join(folder, 'fence.yaml');
    const lines = (await readFile(file, 'utf8')).split('\n');
    const line = lines.findIndex((text) => text.includes('entry:'));
    const column = (lines[line]?.indexOf('../examples') ?? 0) + 1;
    const problem = `got "../examples/desk/src/main.ts", expected a file that exists; there is none at ${entry}`;
    await expect(loadCatalog('fence', folder, { appEntry: true })).rejects.toMatchObject({
      code: 'catalog_invalid',
      message: `${file}:${line + 1}:${column} app.entry: ${problem}`,
      fields: [{ field: 'app.entry', description: `${file}:${line + 1}:${column} ${problem}` }],
    });
    expect((await loadCatalog('fence', folder)).app.entry).toBe(entry);
    expect((await loadCatalog('litedesk', catalogs, { appEntry: true })).name).toBe('litedesk');
  });

  test("a folder is no app's entry", async () => {
    await writeFile(
      join(folder, 'other', 'folder.yaml'),
      (await readFile(join(folder, 'fence.yaml'), 'utf8')).replace(/entry: .*/, "entry: '..'"),
    );
    await expect(loadCatalog(join(folder, 'other', 'folder.yaml'), folder, { appEntry: true })).rejects.toThrow(
      `app.entry: got "..", expected a file that exists; there is none at ${folder}`,
    );
  });

  test.for([
    ['a name that there is not', 'fenc', 'catalog: got "fenc", expected the file of a catalog, or the name of one in '],
    ['a file that there is not', './nowhere.yaml', 'catalog: got "./nowhere.yaml", expected the file of a catalog, or '],
    ['a folder', '.', 'catalog: got ".", which cannot be read (EISDIR), expected the file of a catalog, or '],
    ['nothing', '', 'catalog: is missing, expected the file of a catalog, or '],
  ] as const)('%s is refused with the list of those that there are', async ([, name, message]) => {
    const error = await loadCatalog(name, folder).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'catalog_invalid', fields: [{ field: 'catalog' }] });
    expect(String(error)).toContain(message);
    expect(String(error)).toContain(`${folder}: fence`);
  });

  test('a name with a typing error is told the one that was meant', async () => {
    await expect(loadCatalog('fenc', folder)).rejects.toThrow('did you mean fence?');
  });

  test('a folder without catalogs is said to have none', async () => {
    await expect(loadCatalog('fence', join(folder, 'nowhere'))).rejects.toThrow(
      `the name of one in ${join(folder, 'nowhere')}: there are none`,
    );
  });
});
