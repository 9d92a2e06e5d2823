// A journal in SQLite: its head in one row, its entries numbered without gaps.
import { BurgageError } from '@burgage/contracts';
import { newStamp, nextEpoch } from '../epoch.ts';
import { checkJournalName, checkLimit, checkRevision } from '../journal-arguments.ts';
import { jsonText } from '../json.ts';
import type { Journal, JournalEntry, JournalHead, JournalPosition, Json, Standing } from '../port.ts';
import { trimmedAway } from '../refusals.ts';
import { standingOf } from '../standing.ts';
import type { Changes } from './changes.ts';
import type { Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';

/** Entries that one transaction deletes, so that trimming a long journal holds nobody up. */
const deletedAtOnce = 2_000;

export class SqliteJournal implements Journal {
  readonly #database: Database;
  readonly #writes: GroupCommit;
  readonly #changes: Changes;
  readonly #name: string;
  /** What stands for the name in the entries. */
  readonly #number: number;

  constructor(database: Database, writes: GroupCommit, changes: Changes, name: string) {
    checkJournalName(name);
    this.#database = database;
    this.#writes = writes;
    this.#changes = changes;
    this.#name = name;
    this.#number = database.atOnce(() => this.#declare());
  }

  #declare(): number {
    const number = () => this.#database.one<{ number: number }>('SELECT number FROM journals WHERE name = ?', this.#name)?.number;
    return (
      number() ??
      this.#database.transaction(() => {
        const known = number();
        if (known !== undefined) return known;
        const next = (this.#database.one<{ last: number | null }>('SELECT max(number) AS last FROM journals')?.last ?? 0) + 1;
        this.#database.run(
          `INSERT INTO journals (name, number, epoch, revision, stamp, oldest) VALUES (?, ?, ?, 0, '', 1)`,
          this.#name,
          next,
          nextEpoch(this.#database.random),
        );
        return next;
      })
    );
  }

  async append(values: readonly Json[]): Promise<JournalHead> {
    const texts = values.map((value, index) => jsonText(`values[${index}]`, value));
    if (texts.length === 0) return await this.head();
    const stamp = newStamp(this.#database.random);
    const head = await this.#writes.write(() => {
      const before = this.#head();
      let revision = before.revision;
      for (const text of texts) {
        revision += 1;
        this.#database.run(
          'INSERT INTO journal_entries (journal, revision, stamp, value) VALUES (?, ?, ?, ?)',
          this.#number,
          revision,
          stamp,
          text,
        );
      }
      this.#database.run('UPDATE journals SET revision = ?, stamp = ? WHERE name = ?', revision, stamp, this.#name);
      return { ...before, revision, stamp };
    });
    this.#changes.notify(this.#name);
    return head;
  }

  async readAfter(revision: number, limit: number): Promise<readonly JournalEntry[]> {
    checkRevision('revision', revision);
    checkLimit(limit);
    return await this.#database.patiently(() => {
      // Head and entries in one statement: of one moment.
      const rows = this.#database.all<{ oldest: number; revision: number | null; stamp: string; value: string }>(
        `SELECT j.oldest, e.revision, e.stamp, e.value FROM journals j
         LEFT JOIN journal_entries e ON e.journal = j.number AND e.revision > ? WHERE j.name = ? ORDER BY e.revision LIMIT ?`,
        revision,
        this.#name,
        limit,
      );
      const oldest = rows[0]?.oldest ?? 1;
      if (revision + 1 < oldest) throw trimmedAway(this.#name, revision, oldest);
      return rows.flatMap(({ revision, stamp, value }) =>
        revision === null ? [] : [{ revision, stamp, value: this.#parse(revision, value) }],
      );
    });
  }

  async head(): Promise<JournalHead> {
    return await this.#database.patiently(() => this.#head());
  }

  async waitBeyond(revision: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const { clock } = this.#database;
    const endsAtMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const over = new AbortController();
      const end = (): void => over.abort();
      // Listening begins before looking, or a change in between would be missed.
      this.#changes.next(this.#name, end);
      signal?.addEventListener('abort', end);
      try {
        if ((await this.head()).revision > revision) return true;
        const leftMs = endsAtMs - clock.monotonicMs();
        if (leftMs <= 0 || signal?.aborted) return false;
        if (!over.signal.aborted) await clock.sleep(leftMs, over.signal);
      } finally {
        this.#changes.forget(end);
        signal?.removeEventListener('abort', end);
      }
    }
  }

  async trim(revision: number): Promise<void> {
    checkRevision('revision', revision);
    await this.#writes.write(() => {
      this.#database.run('UPDATE journals SET oldest = max(oldest, min(?, revision) + 1) WHERE name = ?', revision, this.#name);
    });
    // They are out of reach already; what a crash leaves here, the next trim takes. The bound is asked for anew each time
    // because a reset meanwhile begins to number from 1 again.
    const deleteSome = () =>
      this.#database.run(
        `DELETE FROM journal_entries WHERE journal = ?1 AND revision IN (
           SELECT revision FROM journal_entries WHERE journal = ?1 AND revision < (SELECT oldest FROM journals WHERE number = ?1) ORDER BY revision LIMIT ?2)`,
        this.#number,
        deletedAtOnce,
      );
    while ((await this.#writes.write(deleteSome)) === deletedAtOnce);
  }

  async standing(position: JournalPosition): Promise<Standing> {
    checkRevision('position.revision', position.revision);
    return await this.#database.patiently(() => {
      // Head and stamp in one statement: of one moment.
      const found = this.#database.one<JournalHead & { stampAt: string | null }>(
        `SELECT j.epoch, j.revision, j.stamp, j.oldest, e.stamp AS stampAt FROM journals j
         LEFT JOIN journal_entries e ON e.journal = j.number AND e.revision = ? WHERE j.name = ?`,
        position.revision,
        this.#name,
      );
      if (found === undefined) throw this.#headless();
      return standingOf(position, found, found.stampAt ?? undefined);
    });
  }

  async reset({ from, beyond = '' }: { readonly from?: string; readonly beyond?: string } = {}): Promise<JournalHead> {
    const head = await this.#writes.write(() => {
      const before = this.#head();
      if (from !== undefined && from !== before.epoch) return before;
      const after: JournalHead = { epoch: nextEpoch(this.#database.random, before.epoch, beyond), revision: 0, stamp: '', oldest: 1 };
      this.#database.run('DELETE FROM journal_entries WHERE journal = ?', this.#number);
      this.#database.run(`UPDATE journals SET epoch = ?, revision = 0, stamp = '', oldest = 1 WHERE name = ?`, after.epoch, this.#name);
      return after;
    });
    this.#changes.notify(this.#name);
    return head;
  }

  #head(): JournalHead {
    const head = this.#database.one<JournalHead>('SELECT epoch, revision, stamp, oldest FROM journals WHERE name = ?', this.#name);
    if (head === undefined) throw this.#headless();
    return { ...head };
  }

  #headless(): BurgageError {
    return new BurgageError('data_corrupt', {
      message: `${this.#database.file}: journal ${this.#name} has lost its head`,
      metadata: { file: this.#database.file, journal: this.#name },
    });
  }

  #parse(revision: number, text: string): Json {
    try {
      return JSON.parse(text) as Json;
    } catch (error) {
      throw new BurgageError('data_corrupt', {
        message: `${this.#database.file}: entry ${revision} of journal ${this.#name} is not JSON`,
        metadata: { file: this.#database.file, journal: this.#name, revision: String(revision) },
        cause: error,
      });
    }
  }
}
