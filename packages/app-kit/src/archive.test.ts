import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOfArchive } from './archive-format.ts';
import { defineTable, type NewRow } from './table.ts';
import { openTenantData, type Place, type TenantData } from './tenant-data.ts';

const things = defineTable({
  name: 'things',
  columns: { title: 'text', note: 'text?', size: 'integer', weight: 'real', ratio: 'real?', picture: 'blob?', parentId: 'text?' },
});
const empty = defineTable({ name: 'empty', columns: { a: 'text' } });
const tables = [things, empty];
const migrations = [
  `CREATE TABLE things (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, note TEXT, size INTEGER NOT NULL, weight REAL NOT NULL,
     ratio REAL, picture BLOB, parentId TEXT, PRIMARY KEY (tenant_id, id),
     FOREIGN KEY (tenant_id, parentId) REFERENCES things (tenant_id, id)) STRICT, WITHOUT ROWID;
   CREATE TABLE empty (tenant_id TEXT NOT NULL, id TEXT NOT NULL, a TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT;`,
];
const info = { slug: 'slug', name: 'Name „x“ 🙂', color: '#000000' };
type Thing = NewRow<typeof things.columns>;

let folder: string;
let data: TenantData;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'app-kit-archive-'));
  data = openTenantData({ folder, migrations, tables });
});
afterEach(() => {
  data.close();
  rmSync(folder, { recursive: true });
});

async function collected(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
/** In pieces of any size, as a network hands them over. */
async function* pieces(bytes: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const everything = (tenantId: string, place: Place) => data.for(tenantId, place).table(things).list({ limit: 1_000 }).rows;

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'));
const id = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'Z', 'é', '\uffee', '😀', '"', '\\', '\n'), minLength: 1, maxLength: 4 }),
  text.filter((value) => value.length > 0 && value.length <= 128),
);
const real = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(-0, 1, 2 ** 53, 5e-324, 1.7976931348623157e308));
const thing: fc.Arbitrary<Thing> = fc.record({
  id,
  title: text,
  note: fc.option(text, { nil: null }),
  size: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)),
  weight: real,
  ratio: fc.option(real, { nil: null }),
  picture: fc.option(fc.uint8Array({ maxLength: 20 }), { nil: null }),
});
const rowSet = fc.uniqueArray(thing, { maxLength: 12, selector: (row) => row.id });

describe('an archive', () => {
  test('restored at the other place is the same rows and the same digest, whatever they are, and changes nobody else', async () => {
    await fc.assert(
      fc.asyncProperty(
        rowSet,
        rowSet,
        fc.constantFrom<[Place, Place]>(['pool', 'own'], ['own', 'pool']),
        fc.integer({ min: 1, max: 300 }),
        async (rows, before, [from, to], pieceBytes) => {
          for (const place of ['pool', 'own'] as const) {
            await data.remove('ten_a', { place });
            await data.prepare('ten_a', info, { place });
            await data.prepare('ten_A', info, { place });
            data.thaw('ten_A', { place });
            data.for('ten_A', place).table(things).deleteWhere({});
          }
          for (const row of rows) data.for('ten_a', from).table(things).insert(row);
          for (const row of before) {
            data.for('ten_a', to).table(things).insert(row);
            data.for('ten_A', to).table(things).insert(row);
          }
          const neighbour = [await data.digest('ten_A', to), everything('ten_A', to)];
          const source = await data.digest('ten_a', from);
          const archive = await collected(data.archive('ten_a', from));
          expect(await digestOfArchive(pieces(archive, pieceBytes))).toEqual({ tenant: { id: 'ten_a', ...info }, tables: source });
          expect(await data.restore('ten_a', pieces(archive, pieceBytes), { place: to })).toEqual(source);
          expect(everything('ten_a', to)).toEqual(everything('ten_a', from));
          expect(data.for('ten_a', to).info).toEqual(info);
          expect(data.isFrozen('ten_a', to)).toBe(true);
          expect([await data.digest('ten_A', to), everything('ten_A', to)]).toEqual(neighbour);
          expect(await collected(data.archive('ten_a', to))).toEqual(archive);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('keeps what SQL alone can write: integers beyond those of JavaScript, infinity, and values of another kind than declared', async () => {
    const loose = defineTable({ name: 'loose', columns: { n: 'integer?', r: 'real?', b: 'blob?' } });
    const values = [
      "('ten_a', '1', 9223372036854775807, 9e999, 1)",
      "('ten_a', '2', -9223372036854775808, -9e999, 1.0)",
      "('ten_a', '3', 'text', 'text', 'text')",
      "('ten_a', '4', 1.5, 9007199254740993, x'00ff')",
      "('ten_a', '5', 9007199254740993, -0.0, NULL)",
    ];
    const sql = ['CREATE TABLE loose (tenant_id TEXT NOT NULL, id TEXT NOT NULL, n INTEGER, r REAL, b BLOB, PRIMARY KEY (tenant_id, id))'];
    const other = openTenantData({ folder: join(folder, 'loose'), migrations: sql, tables: [loose] });
    try {
      for (const place of ['pool', 'own'] as const) await other.prepare('ten_a', info, { place });
      {
        using pool = new DatabaseSync(join(folder, 'loose', 'pool.sqlite'));
        pool.exec(`INSERT INTO loose VALUES ${values.join()}`);
      }
      const digest = await other.digest('ten_a', 'pool');
      expect(digest.loose?.rows).toBe(5);
      const archive = await collected(other.archive('ten_a', 'pool'));
      expect(archive.toString()).toContain('{"int":"9223372036854775807"}');
      expect(await other.restore('ten_a', pieces(archive), { place: 'own' })).toEqual(digest);
      const stored = (file: string) => {
        using database = new DatabaseSync(join(folder, 'loose', file), { readOnly: true });
        const columns = 'id, hex(n), typeof(n), typeof(r), quote(r), typeof(b), hex(b)';
        return database.prepare(`SELECT ${columns} FROM loose ORDER BY id`).all();
      };
      expect(stored('own/ten_a.sqlite')).toEqual(stored('pool.sqlite'));
    } finally {
      other.close();
    }
  });

  test('is one moment: what is written while it is read is not in it', async () => {
    await data.prepare('ten_a', info);
    const rows = 2_000;
    data.for('ten_a').transaction(() => {
      for (let index = 0; index < rows; index += 1)
        data
          .for('ten_a')
          .table(things)
          .insert({ id: String(index), title: 'x'.repeat(200), size: 1, weight: 1 });
    });
    const reading = data.archive('ten_a');
    const first = [(await reading.next()).value as Uint8Array, (await reading.next()).value as Uint8Array];
    data.for('ten_a').table(things).insert({ id: '9999', title: 'late', size: 1, weight: 1 });
    data.for('ten_a').table(things).delete('1999');
    const archive = Buffer.concat([...first, await collected(reading)]);
    expect((await digestOfArchive(pieces(archive, 64_000))).tables.things?.rows).toBe(rows);
    expect(archive.toString()).not.toContain('late');
  });

  test('has the documented form, and hashes that anybody can compute', async () => {
    await data.prepare('ten_a', { slug: 'acme', name: 'Acme', color: '#000000' });
    for (const title of ['b', 'a']) data.for('ten_a').table(things).insert({ id: title, title, size: 1, weight: 0.5 });
    const lines = (await collected(data.archive('ten_a'))).toString().split('\n');
    const rows = ['["a",null,null,null,null,1,"a",0.5]', '["b",null,null,null,null,1,"b",0.5]'];
    const hashOf = (content: string) => createHash('sha256').update(content).digest('hex');
    expect(lines.slice(1, -2)).toEqual([`{"t":"things","r":[${rows.join()}]}`]);
    expect(lines.map((line) => line && JSON.parse(line))).toEqual([
      {
        archive: 'burgage-tenant',
        version: 1,
        tenant: { id: 'ten_a', slug: 'acme', name: 'Acme', color: '#000000' },
        tables: [
          { name: 'empty', columns: ['id', 'a'] },
          { name: 'things', columns: ['id', 'note', 'parentId', 'picture', 'ratio', 'size', 'title', 'weight'] },
        ],
      },
      expect.anything(),
      {
        end: true,
        tables: { empty: { rows: 0, hash: hashOf('') }, things: { rows: 2, hash: hashOf(`${rows.join('\n')}\n`) } },
      },
      '',
    ]);
  });
});

describe('a restore', () => {
  const row = { title: 't', size: 1, weight: 1 };
  async function prepared(): Promise<string[]> {
    for (const place of ['pool', 'own'] as const) await data.prepare('ten_a', info, { place });
    for (const name of ['1', '2', '3'])
      data
        .for('ten_a')
        .table(things)
        .insert({ id: name, ...row });
    data
      .for('ten_a', 'own')
      .table(things)
      .insert({ id: 'old', ...row });
    return (await collected(data.archive('ten_a'))).toString().trimEnd().split('\n');
  }
  const left = () => (existsSync(join(folder, 'staging')) ? readdirSync(join(folder, 'staging')) : []);
  const end = { rows: 3, hash: 'x'.repeat(64) };

  test.each<[string, (lines: string[]) => string[], RegExp]>([
    ['nothing', () => [], /breaks off after line 0/],
    ['the last line missing', (lines) => lines.slice(0, -1), /breaks off after line 2/],
    ['half of a line', (lines) => [...lines.slice(0, -1), lines.at(-1)?.slice(0, 30) ?? ''], /line 3: expected JSON/],
    ['rows missing', ([first = '', , last = '']) => [first, last], /line 2: things: it says .*"rows":3.* but holds .*"rows":0/],
    ['a row changed', ([first = '', rows = '', last = '']) => [first, rows.replace('1,"t"', '2,"t"'), last], /line 3: things: it says/],
    [
      'a row twice',
      ([first = '', rows = '', last = '']) => [first, rows, rows, last],
      /line 3: expected the rows in the order of their ids/,
    ],
    ['more after the end', (lines) => [...lines, lines.at(-1) ?? ''], /line 4: expected nothing after the last line/],
    [
      'another version',
      ([first = '', ...rest]) => [first.replace('"version":1', '"version":2'), ...rest],
      /line 1: expected version 1 of the format; got 2/,
    ],
    ['another kind of file', () => ['{"hello":1}'], /line 1: expected the first line of an archive of a tenant/],
    [
      "another tenant's rows",
      ([first = '', ...rest]) => [first.replace('ten_a', 'ten_b'), ...rest],
      /line 1: expected rows of ten_a; got those of ten_b/,
    ],
    [
      'another table',
      ([first = '', ...rest]) => [first.replace('"empty"', '"other"'), ...rest],
      /line 1: tables: got other \(id, a\), expected empty \(id, a\)/,
    ],
    ['a column less', ([first = '', ...rest]) => [first.replace('"size",', ''), ...rest], /line 1: tables: got things/],
    [
      'a table that the first line does not name',
      ([first = '']) => [first, '{"t":"x","r":[["1"]]}'],
      /line 2: expected a table of the first line; got "x"/,
    ],
    ['rows of another width', ([first = '']) => [first, '{"t":"empty","r":[["1"]]}'], /line 2: expected rows of 2 values/],
    ['a value that is none', ([first = '']) => [first, '{"t":"empty","r":[["1",{"x":"1"}]]}'], /line 2: expected rows of 2 values/],
    ['half a character', ([first = '']) => [first, '{"t":"empty","r":[["1","\\ud800"]]}'], /line 2: expected rows of 2 values/],
    [
      'a blob that is not base64',
      ([first = '']) => [first, '{"t":"empty","r":[["1",{"blob":"?"}]]}'],
      /line 2: expected a value as an archive writes it/,
    ],
    [
      'a fraction in whole numbers',
      ([first = '']) => [first, '{"t":"things","r":[["1",null,null,null,null,1.5,"t",1]]}'],
      /line 2: expected a whole number/,
    ],
    [
      'a value that the column does not take',
      ([first = '']) => [first, '{"t":"things","r":[["1",null,null,null,null,"x","t",1]]}'],
      /line 2: a row does not fit this app/,
    ],
    [
      'a reference to a row that is missing',
      ([first = '']) => {
        const line = '["1",null,"nobody",null,null,1,"t",1]';
        const hash = createHash('sha256').update(`${line}\n`).digest('hex');
        const nothing = { rows: 0, hash: createHash('sha256').digest('hex') };
        return [
          first,
          `{"t":"things","r":[${line}]}`,
          JSON.stringify({ end: true, tables: { empty: nothing, things: { rows: 1, hash } } }),
        ];
      },
      /a row does not fit this app: FOREIGN KEY/,
    ],
    [
      'a hash that is wrong',
      ([first = '', rows = '', last = '']) => [
        first,
        rows,
        JSON.stringify({ end: true, tables: { ...JSON.parse(last).tables, things: end } }),
      ],
      /line 3: things: it says/,
    ],
  ])('of an archive with %s is refused in words, and leaves everything as it was', async (_name, spoil, message) => {
    const lines = await prepared();
    const before = await data.digest('ten_a', 'own');
    const archive = Buffer.from(
      spoil(lines)
        .map((line) => `${line}\n`)
        .join(''),
    );
    for (const place of ['pool', 'own'] as const) {
      const held = await data.digest('ten_a', place);
      const refusal = await data.restore('ten_a', pieces(archive), { place }).catch((error) => error);
      expect(refusal).toMatchObject({ code: 'invalid_argument', status: 422, fields: [{ field: 'archive' }] });
      expect(refusal.message).toMatch(message);
      expect(await data.digest('ten_a', place)).toEqual(held);
      expect(data.isFrozen('ten_a', place)).toBe(false);
    }
    expect(await data.digest('ten_a', 'own')).toEqual(before);
    expect(left()).toEqual([]);
  });

  test('whose source breaks leaves everything as it was', async () => {
    const lines = await prepared();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`${lines[0]}\n${lines[1]}\n`);
      throw new RangeError('the network is gone');
    }
    await expect(data.restore('ten_a', broken(), { place: 'own' })).rejects.toThrow('the network is gone');
    expect(data.for('ten_a', 'own').table(things).get('old')).toBeDefined();
    expect(left()).toEqual([]);
  });

  test('needs a tenant that is prepared, and an attempt that is not late at its end', async () => {
    const lines = await prepared();
    const archive = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    await expect(data.restore('ten_b', pieces(archive))).rejects.toMatchObject({ code: 'tenant_not_prepared' });
    for (const place of ['pool', 'own'] as const) {
      const held = await data.digest('ten_a', place);
      async function* overtaken(): AsyncGenerator<Uint8Array> {
        yield archive.subarray(0, 100);
        data.thaw('ten_a', { place, fence: 8 });
        yield archive.subarray(100);
      }
      await expect(data.restore('ten_a', overtaken(), { place, fence: 7 })).rejects.toMatchObject({
        code: 'fenced',
        metadata: { seen: '8' },
      });
      expect(await data.digest('ten_a', place)).toEqual(held);
      async function* removed(): AsyncGenerator<Uint8Array> {
        yield archive.subarray(0, 100);
        await data.remove('ten_a', { place, fence: 8 });
        yield archive.subarray(100);
      }
      await expect(data.restore('ten_a', removed(), { place, fence: 8 })).rejects.toMatchObject({ code: 'tenant_not_prepared' });
      expect(data.isPrepared('ten_a', place)).toBe(false);
    }
    expect(existsSync(join(folder, 'own', 'ten_a.sqlite'))).toBe(false);
  });
});
