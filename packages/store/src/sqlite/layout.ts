// The tables that every file has, and how a file of an earlier format comes to have them.
import { newStamp } from '../epoch.ts';
import type { Database } from './database.ts';

export const layout = `
  CREATE TABLE types (name TEXT PRIMARY KEY NOT NULL, declared TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE unique_keys (
    type TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (type, key, value)
  ) WITHOUT ROWID;
  CREATE TABLE journals (
    name TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL UNIQUE, epoch TEXT NOT NULL, revision INTEGER NOT NULL,
    oldest INTEGER NOT NULL, stamp TEXT NOT NULL DEFAULT ''
  ) WITHOUT ROWID;
  CREATE TABLE journal_entries (
    journal INTEGER NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL, stamp TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (journal, revision)
  ) WITHOUT ROWID;
`;

/** What makes a file of format 1 one of format 2, and so on. Each runs inside the transaction that writes the new number. */
export const migrations: readonly ((database: Database) => void)[] = [addStamps];

/** The format that this code writes, in SQLite's user_version. A file with a higher number is refused. */
export const formatVersion = migrations.length + 1;

/**
 * Epochs become ordered and entries get stamps, one for all that are there. A file restored from before this gets another
 * one: its history then differs from that of whoever followed it, which costs a snapshot too many and hides nothing.
 */
function addStamps(database: Database): void {
  const stamp = newStamp(database.random);
  for (const table of ['journals', 'journal_entries']) {
    database.execute(`ALTER TABLE ${table} ADD COLUMN stamp TEXT NOT NULL DEFAULT ''`);
    database.run(`UPDATE ${table} SET stamp = ? WHERE revision > 0`, stamp);
  }
  database.run(`UPDATE journals SET epoch = '1.' || epoch`);
}
