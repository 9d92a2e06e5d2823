// The archive of a tenant: every row as lines of JSON, one form for moves, backups and restores.
import { createHash } from 'node:crypto';
import { isTenantId } from './claims.ts';
import { invalidField } from './problem.ts';
import type { ColumnKind } from './table.ts';

/** How many rows a table has, and the SHA-256 over all of them in the order of their ids, each as its line of JSON. */
export interface TableDigest {
  readonly rows: number;
  readonly hash: string;
}

/** By table. Two places hold the same rows when their digests are equal. */
export type Digest = Readonly<Record<string, TableDigest>>;

/** The first line. */
export interface ArchiveHeader {
  readonly tenant: { readonly id: string; readonly slug: string; readonly name: string; readonly color: string };
  readonly tables: readonly { readonly name: string; readonly columns: readonly string[] }[];
}

/**
 * A value as it is archived: text, null, and numbers that JSON carries as they are; what else SQLite has says which kind it is.
 * A plain number is a real in a column of reals, an integer everywhere else.
 */
export type ArchivedValue = string | number | null | { int: string } | { real: string } | { blob: string };
export type ArchivedRow = readonly [id: string, ...ArchivedValue[]];
type StoredValue = string | number | bigint | null | Uint8Array;

export const archiveType = 'application/x-ndjson';
const archiveName = 'burgage-tenant';
const archiveVersion = 1;
/** How much of an archive is in memory at once; one row alone may be more. */
const batchCharacters = 64 * 1024;
const lineBytesMax = 64 * 1024 * 1024;

/** What is wrong with an archive, in words; `readArchive` adds where. */
export class ArchiveFault extends Error {}

/** `integers` are bigints, and numbers are reals: that is how the rows have to be read. */
export function archived(value: StoredValue, kind: ColumnKind): ArchivedValue {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'bigint') {
    const number = Number(value);
    return kind !== 'real' && Number.isSafeInteger(number) ? number : { int: String(value) };
  }
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { real: '-0' };
    return kind === 'real' && Number.isFinite(value) ? value : { real: String(value) };
  }
  return { blob: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
}

/** The other way. Throws an ArchiveFault for what `archived` does not write. */
export function restored(value: ArchivedValue, kind: ColumnKind): StoredValue {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (kind === 'real') return value;
    if (!Number.isSafeInteger(value)) throw new ArchiveFault(`expected a whole number in a column of ${kind}; got ${value}`);
    return BigInt(value);
  }
  const stored = 'int' in value ? BigInt(value.int) : 'real' in value ? Number(value.real) : Buffer.from(value.blob, 'base64');
  if (JSON.stringify(archived(stored, kind)) !== JSON.stringify(value))
    throw new ArchiveFault(`expected a value as an archive writes it; got ${JSON.stringify(value).slice(0, 80)}`);
  return stored;
}

/** Counts and hashes the rows of one table. */
export function createTally(): { add(rows: readonly string[]): void; digest(): TableDigest } {
  const hash = createHash('sha256');
  let count = 0;
  return {
    add(rows) {
      count += rows.length;
      hash.update(`${rows.join('\n')}\n`);
    },
    digest: () => ({ rows: count, hash: hash.copy().digest('hex') }),
  };
}

/** Rows, each as its line of JSON, in portions that fit into memory. */
export function* batches(rows: Iterable<ArchivedRow>): Generator<string[]> {
  let batch: string[] = [];
  let characters = 0;
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (text.length > lineBytesMax / 4) throw new RangeError(`a row of ${text.length} characters is too large for an archive`);
    batch.push(text);
    characters += text.length;
    if (characters < batchCharacters) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}

export function headerLine({ tenant, tables }: ArchiveHeader): string {
  return `${JSON.stringify({ archive: archiveName, version: archiveVersion, tenant, tables })}\n`;
}

export function rowsLine(table: string, batch: readonly string[]): string {
  return `{"t":${JSON.stringify(table)},"r":[${batch.join(',')}]}\n`;
}

export function endLine(tables: Digest): string {
  return `${JSON.stringify({ end: true, tables })}\n`;
}

export interface ArchiveVisitor {
  begin?(header: ArchiveHeader): void;
  /** In the order of the ids, portion by portion. */
  rows?(table: string, rows: readonly ArchivedRow[]): void;
}

/**
 * Reads an archive to its end and checks it: its version, its form, the order of the rows, and that counts and hashes are those
 * of the last line. What the visitor got before is worth nothing when this throws. Throws `invalid_argument` for the field
 * `archive`, with the line; what the visitor throws, unless that is an ArchiveFault.
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  visitor: ArchiveVisitor = {},
): Promise<{ readonly header: ArchiveHeader; readonly tables: Digest }> {
  let header: ArchiveHeader | undefined;
  let digest: Digest | undefined;
  const open = new Map<string, { readonly width: number; readonly tally: ReturnType<typeof createTally>; lastId?: string }>();

  function take(line: unknown): void {
    if (digest) throw new ArchiveFault('expected nothing after the last line');
    if (!header) {
      header = checkedHeader(line);
      for (const { name, columns } of header.tables) open.set(name, { width: columns.length, tally: createTally() });
      visitor.begin?.(header);
    } else if (isRecord(line) && line.end === true) {
      digest = Object.fromEntries([...open].map(([name, { tally }]) => [name, tally.digest()]));
      requireEqual(line.tables, digest);
    } else {
      if (!isRecord(line) || typeof line.t !== 'string' || !Array.isArray(line.r) || line.r.length === 0)
        throw new ArchiveFault('expected rows of a table, or the end');
      const table = open.get(line.t);
      if (!table) throw new ArchiveFault(`expected a table of the first line; got ${JSON.stringify(line.t).slice(0, 80)}`);
      for (const row of line.r as unknown[]) {
        if (!isRow(row, table.width)) throw new ArchiveFault(`expected rows of ${table.width} values that begin with an id`);
        if (!follows(row[0], table.lastId)) throw new ArchiveFault('expected the rows in the order of their ids, each once');
        table.lastId = row[0];
      }
      const rows = line.r as ArchivedRow[];
      table.tally.add(rows.map((row) => JSON.stringify(row)));
      visitor.rows?.(line.t, rows);
    }
  }

  let number = 0;
  try {
    for await (const line of linesOf(source)) {
      number += 1;
      take(parsed(line));
    }
  } catch (error) {
    throw error instanceof ArchiveFault ? invalidField('archive', `line ${number}: ${error.message}`, error) : error;
  }
  if (!header || !digest) throw invalidField('archive', `it breaks off after line ${number}; expected a last line that says {"end":true}`);
  return { header, tables: digest };
}

/**
 * Checks an archive without an app: resolves with whose it is and what it says it holds, when that is what it holds. Throws as
 * `readArchive` does. For backups that are to be read back.
 */
export async function digestOfArchive(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly tenant: ArchiveHeader['tenant']; readonly tables: Digest }> {
  const { header, tables } = await readArchive(source);
  return { tenant: header.tenant, tables };
}

async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]);
      parts = [];
      bytes = 0;
      from = end + 1;
    }
    if (from === chunk.byteLength) continue;
    parts.push(chunk.subarray(from));
    bytes += chunk.byteLength - from;
    if (bytes > lineBytesMax) throw new ArchiveFault(`the next line has more than ${lineBytesMax} bytes`);
  }
  if (bytes > 0) yield Buffer.concat(parts);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parsed(line: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(line));
  } catch {
    throw new ArchiveFault('expected JSON');
  }
}

function checkedHeader(line: unknown): ArchiveHeader {
  if (!isRecord(line) || line.archive !== archiveName) throw new ArchiveFault('expected the first line of an archive of a tenant');
  if (line.version !== archiveVersion)
    throw new ArchiveFault(`expected version ${archiveVersion} of the format; got ${JSON.stringify(line.version)?.slice(0, 80)}`);
  const { tenant, tables } = line;
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (!isRecord(tenant) || !isTenantId(tenant.id) || !isText(tenant.slug) || !isText(tenant.name) || !isText(tenant.color))
    throw new ArchiveFault('tenant: expected id, slug, name and color');
  const isTable = (table: unknown): table is ArchiveHeader['tables'][number] =>
    isRecord(table) && isText(table.name) && Array.isArray(table.columns) && table.columns.every(isText) && table.columns[0] === 'id';
  if (!Array.isArray(tables) || !tables.every(isTable)) throw new ArchiveFault('tables: expected each with a name and columns, id first');
  if (new Set(tables.map(({ name }) => name)).size < tables.length) throw new ArchiveFault('tables: expected each once');
  const { id, slug, name, color } = tenant;
  return { tenant: { id, slug, name, color }, tables };
}

function requireEqual(said: unknown, counted: Digest): void {
  if (!isRecord(said)) throw new ArchiveFault('expected what each table holds');
  for (const name of Object.keys(said))
    if (!Object.hasOwn(counted, name)) throw new ArchiveFault(`tables: there is no ${name.slice(0, 80)}`);
  for (const [name, { rows, hash }] of Object.entries(counted)) {
    const table = said[name];
    if (!isRecord(table) || table.rows !== rows || table.hash !== hash)
      throw new ArchiveFault(`${name}: it says ${JSON.stringify(table)?.slice(0, 120)}, but holds ${JSON.stringify({ rows, hash })}`);
  }
}

function isRow(row: unknown, width: number): row is ArchivedRow {
  return Array.isArray(row) && row.length === width && typeof row[0] === 'string' && row.every(isValue);
}

function isValue(value: unknown): value is ArchivedValue {
  if (value === null) return true;
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  if (!isRecord(value) || Object.keys(value).length !== 1) return false;
  if (typeof value.int === 'string') return /^-?\d{1,19}$/.test(value.int);
  return typeof value.real === 'string' || typeof value.blob === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether `id` comes after `last` as SQLite compares: by the bytes of UTF-8. */
function follows(id: string, last: string | undefined): boolean {
  return last === undefined || Buffer.compare(Buffer.from(id), Buffer.from(last)) > 0;
}
