// Empties and fills a tenant's part of a shared database in slices, between which everybody else gets a turn.
import { statSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { adoptStatement, deleteFirstStatement, type Schema, type Statement, sizesStatement } from './statements.ts';
import type { TenantTableDefinition } from './table.ts';
import { openTenantFile, type SchemaOptions, type TenantFile } from './tenant-file.ts';

/**
 * Each slice is a transaction of its own that writes a bounded number of pages, or a single row that is larger. Whoever calls sees to it
 * that nobody reads the rows meanwhile, and that the last commit of all waits for the disk: those of the slices do not.
 */
export interface Slices {
  /** Deletes every row of the tenant. */
  empty(): Promise<void>;
  /** Adds every row that the tenant has in the file at `path`, where they were checked; once. */
  fill(path: string): Promise<void>;
  /** What is under way fails at its next slice. */
  close(): void;
}

export interface SlicesOptions extends SchemaOptions {
  readonly path: string;
  readonly nowMs: number;
  /** Called in the transaction of each slice, before anything else: throws where the tenant's rows are no longer the caller's to change. */
  readonly check: (file: TenantFile) => void;
}

/** 2 MiB. Scattered over the file they take some 10 ms, and about as many again whenever SQLite takes the log over into the file. */
const slicePagesMax = 512;
const pageBytes = 4_096;
/** SQLite takes the log over from 4 MiB on, unless somebody reads an older state of the file: then it grows for as long as he does. */
const logGrowthBytesMax = 8 * 1_024 * 1_024;
/** So that nobody has to take all of it over at once, he is waited for: for 5 s in all, as he may take any time. */
const readerWaitMs = 50;
const readerWaitsMax = 100;

/** What a slice does in one table. */
interface Portion {
  readonly rows: number;
  /** The row before the first of them, in the order of the ids, and the last of them. */
  readonly after: string | undefined;
  readonly last: string;
  /** How many are written at most. */
  readonly pages: number;
  /** Whether the table has no more of the tenant. */
  readonly isEnd: boolean;
}

/** Throws as openTenantFile does. */
export function openSlices(tenantId: string, { path, nowMs, check, ...schemaOptions }: SlicesOptions): Slices {
  const { tables } = schemaOptions;
  // A connection of its own, for nobody else is to write without foreign keys. Between slices one row is there and another, which it
  // refers to, is not; all of them are the tenant's own, and together they were checked.
  const file = openTenantFile(path, schemaOptions, nowMs);
  const run = ({ sql, values }: Statement) => file.query(sql, ...values);
  file.query('PRAGMA foreign_keys = OFF');
  file.query('PRAGMA synchronous = NORMAL');
  const logBytes = (): number => statSync(`${path}-wal`).size;
  let logBytesBefore = logBytes();
  let readerWaits = readerWaitsMax;

  /** One in the table, and in each index one, for there the row's neighbours are others. What is large takes more. */
  const pagesOfRow = new Map(
    tables.map(({ name }) => {
      const [indexes] = file.query("SELECT count(*) AS value FROM pragma_index_list(?) WHERE origin <> 'pk'", name);
      return [name, 1 + Number(indexes?.value)];
    }),
  );

  function portionOf(table: TenantTableDefinition, schema: Schema, pagesMax: number, after: string | undefined): Portion {
    const pagesAtLeast = pagesOfRow.get(table.name) as number;
    const rowsMax = Math.ceil(pagesMax / pagesAtLeast);
    const sizes = run(sizesStatement(tenantId, table, schema, rowsMax, after));
    let [rows, pages, last] = [0, 0, ''];
    for (const { id, bytes } of sizes) {
      if (pages >= pagesMax) break;
      rows += 1;
      pages += pagesAtLeast + Number(bytes) / pageBytes;
      last = String(id);
    }
    return { rows, after, last, pages, isEnd: rows === sizes.length && rows < rowsMax };
  }

  async function turnOfOthers(): Promise<void> {
    await nextTurn();
    for (; readerWaits > 0 && logBytes() - logBytesBefore > logGrowthBytesMax; readerWaits -= 1) {
      if (file.scrub()) logBytesBefore = 0;
      else await sleep(readerWaitMs);
    }
  }

  /** Goes through all rows of the tenant in `schema`. Those that `act` takes away there are not met again. */
  async function inSlices(schema: Schema, act: (table: TenantTableDefinition, portion: Portion) => Statement): Promise<void> {
    let at = 0;
    let after: string | undefined;
    function slice(): void {
      for (let room = slicePagesMax; room > 0 && at < tables.length; ) {
        const table = tables[at] as TenantTableDefinition;
        const portion = portionOf(table, schema, room, after);
        if (portion.rows > 0) run(act(table, portion));
        room -= portion.pages;
        if (portion.isEnd) at += 1;
        after = portion.isEnd || schema === 'main' ? undefined : portion.last;
      }
    }
    while (at < tables.length) {
      await turnOfOthers();
      file.transaction(() => {
        check(file);
        slice();
      });
    }
    // What comes after all of them is not to be of one stretch with the last.
    await nextTurn();
  }

  return {
    // Counted, not by their ids: one that only SQL can write may read as another.
    empty: () => inSlices('main', (table, { rows }) => deleteFirstStatement(tenantId, table, rows)),
    async fill(stagedPath) {
      file.query('ATTACH ? AS staged', stagedPath);
      await inSlices('staged', (table, { last, after }) => adoptStatement(tenantId, table, last, after));
    },
    close: () => file.close(),
  };
}
