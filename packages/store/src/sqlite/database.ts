// One SQLite file: how it is opened, what its errors mean, and its prepared statements.
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { BurgageError } from '@burgage/contracts';
import type { Clock, Random } from '@burgage/runtime';
import { formatVersion, layout, migrations } from './layout.ts';

/** "BURG", in SQLite's application_id. */
const applicationId = 0x42555247;

/** Longest wait for a lock that another process holds, before `unavailable`. */
const busyMsMax = 5_000;
/** The write-ahead log is cut back to this after a burst. */
const walBytesMax = 64 * 1024 * 1024;
/** Statements that differ only in their parameters are few; the bound is for what nobody foresaw. */
const statementsMax = 500;

/** SQLite's primary result codes, by what they mean to a caller; the others would be mistakes of this adapter. */
const busyCodes = new Set([5 /* BUSY */, 6 /* LOCKED */]);
const corruptCodes = new Set([11 /* CORRUPT */, 26 /* NOTADB */]);
const unavailableCodes = new Set([
  ...busyCodes,
  3 /* PERM */,
  7 /* NOMEM */,
  8 /* READONLY */,
  10 /* IOERR */,
  13 /* FULL */,
  14 /* CANTOPEN */,
  15 /* PROTOCOL */,
]);

function hasCode(error: unknown, codes: ReadonlySet<number>): boolean {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && codes.has(error.errcode & 0xff);
}

export class Database {
  readonly file: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly #sqlite: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(file: string, clock: Clock, random: Random) {
    this.file = file;
    this.clock = clock;
    this.random = random;
    // A wait inside SQLite stops the whole process, so there is none: `patiently` waits outside.
    this.#sqlite = new DatabaseSync(file, { timeout: 0 });
  }

  /**
   * Opens the file, creates it (mode 0600, its folder 0700) where there is none.
   * @throws BurgageError `data_folder_newer`, `data_corrupt`, `unavailable`; each names the file.
   */
  static async open(file: string, clock: Clock, random: Random): Promise<Database> {
    let database: Database;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      createEmpty(file);
      database = new Database(file, clock, random);
    } catch (error) {
      throw storeError(file, error);
    }
    try {
      await database.patiently(() => database.#prepareFile());
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #prepareFile(): void {
    // In this order: another process may make the layout meanwhile, and what is not empty then has its id already.
    const empty = this.one('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined;
    const application = this.one<{ application_id: number }>('PRAGMA application_id')?.application_id ?? 0;
    const version = this.#formatVersion();
    if (!empty && application !== applicationId) {
      throw new BurgageError('data_corrupt', {
        message: `${this.file} is an SQLite file but not one that Burgage wrote`,
        metadata: { file: this.file },
      });
    }
    if (version > formatVersion) {
      throw new BurgageError('data_folder_newer', {
        message: `${this.file} has format ${version}; this version of Burgage knows ${formatVersion}`,
        metadata: { file: this.file, found: String(version), known: String(formatVersion) },
      });
    }
    this.execute(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${walBytesMax}`);
    if (version < formatVersion) this.transaction(() => this.#bringUpToDate());
  }

  /** Another process may have been faster, so all is asked again. */
  #bringUpToDate(): void {
    const version = this.#formatVersion();
    if (version === 0) this.execute(`${layout}; PRAGMA application_id = ${applicationId}`);
    else for (const migrate of migrations.slice(version - 1)) migrate(this);
    if (version < formatVersion) this.execute(`PRAGMA user_version = ${formatVersion}`);
  }

  #formatVersion(): number {
    return this.one<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0;
  }

  /** Runs statements that are not worth preparing, or that act while they are prepared, as some pragmas do. */
  execute(sql: string): void {
    this.#sqlite.exec(sql);
  }

  /** Runs a statement that answers with nothing; says how many rows it changed. */
  run(sql: string, ...parameters: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...parameters).changes);
  }

  one<Row>(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...parameters) as Row | undefined;
  }

  all<Row>(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...parameters) as Row[];
  }

  /** As `all`, each row as the list of its columns: half the cost where rows are many. */
  lists<Row extends readonly unknown[]>(sql: string, ...parameters: SQLInputValue[]): Row[] {
    const statement = this.#statement(sql);
    statement.setReturnArrays(true);
    try {
      return statement.all(...parameters) as unknown as Row[];
    } finally {
      statement.setReturnArrays(false);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= statementsMax) this.#statements.clear();
      statement = this.#sqlite.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** True between BEGIN and the end; an error such as a full disk ends a transaction by itself. */
  get inTransaction(): boolean {
    return this.#sqlite.isTransaction;
  }

  /** All or nothing, with the lock for writing held from the start, so that nothing read inside can be stale. */
  transaction<T>(work: () => T): T {
    this.run('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.run('COMMIT');
      return result;
    } catch (error) {
      if (this.inTransaction) this.run('ROLLBACK');
      throw error;
    }
  }

  /**
   * Does `attempt`, again while another process holds the lock that it needs, without stopping this process meanwhile.
   * @throws BurgageError `unavailable` after five seconds; any other failure of SQLite as `data_corrupt` or `unavailable`.
   */
  async patiently<T>(attempt: () => T): Promise<T> {
    const givenUpAtMs = this.clock.monotonicMs() + busyMsMax;
    for (;;) {
      if (!this.#sqlite.isOpen) throw new BurgageError('unavailable', { message: `${this.file} is closed` });
      try {
        return attempt();
      } catch (error) {
        if (!hasCode(error, busyCodes) || this.clock.monotonicMs() >= givenUpAtMs) throw storeError(this.file, error);
      }
      // Unequal waits, or two processes could knock at the same moments for ever.
      await this.clock.sleep(1 + 2 * this.random.float());
    }
  }

  /** As `patiently`, but stops the process while it waits: for what is declared at start, which is not asynchronous. */
  atOnce<T>(attempt: () => T): T {
    try {
      this.execute(`PRAGMA busy_timeout = ${busyMsMax}`);
      return attempt();
    } catch (error) {
      throw storeError(this.file, error);
    } finally {
      if (this.#sqlite.isOpen) this.execute('PRAGMA busy_timeout = 0');
    }
  }

  close(): void {
    this.#statements.clear();
    if (this.#sqlite.isOpen) this.#sqlite.close();
  }
}

/** Before SQLite would make it, with the mode that it would give it; SQLite gives its side files the same. */
function createEmpty(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
  }
}

/** What a failure of the file means to the caller. Errors that are no failure of the file stay what they are. */
export function storeError(file: string, error: unknown): unknown {
  if (hasCode(error, corruptCodes)) {
    return new BurgageError('data_corrupt', { message: `${file} is damaged: ${messageOf(error)}`, metadata: { file }, cause: error });
  }
  if (hasCode(error, unavailableCodes) || isSystemError(error)) {
    return new BurgageError('unavailable', { message: `${file} cannot be used: ${messageOf(error)}`, metadata: { file }, cause: error });
  }
  return error;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
