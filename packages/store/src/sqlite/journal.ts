// A journal in SQLite: its head in one row, its entries numbered without gaps.
import { BurgageError, invalidField } from '@burgage/contracts';
import { jsonText } from '../json.ts';
import type { Journal, JournalEntry, JournalHead, Json } from '../port.ts';
import type { Changes } from './changes.ts';
import type { Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';

const journalName = /^[a-z][a-z0-9_.-]{0,127}$/;
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
    if (!journalName.test(name)) throw invalidField('name', `got "${name}", expected lower-case letters, digits and . _ -, 128 at most`);
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
          'INSERT INTO journals (name, number, epoch, revision, oldest) VALUES (?, ?, ?, 0, 1)',
          this.#name,
          next,
          this.#newEpoch(),
        );
        return next;
      })
    );
  }

  async append(values: readonly Json[]): Promise<JournalHead> {
    const texts = values.map((value, index) => jsonText(`values[${index}]`, value));
    if (texts.length === 0) return await this.head();
    const head = await this.#writes.write(() => {
      const before = this.#head();
      let revision = before.revision;
      for (const text of texts) {
        revision += 1;
        this.#database.run('INSERT INTO journal_entries (journal, revision, value) VALUES (?, ?, ?)', this.#number, revision, text);
      }
      this.#database.run('UPDATE journals SET revision = ? WHERE name = ?', revision, this.#name);
      return { ...before, revision };
    });
    this.#changes.notify(this.#name);
    return head;
  }

  async readAfter(revision: number, limit: number): Promise<readonly JournalEntry[]> {
    checkRevision('revision', revision);
    if (!Number.isSafeInteger(limit) || limit < 1) throw invalidField('limit', `got ${limit}, expected a whole number from 1`);
    return await this.#database.patiently(() => {
      // Head and entries in one statement: of one moment.
      const rows = this.#database.all<{ oldest: number; revision: number | null; value: string }>(
        `SELECT j.oldest, e.revision, e.value FROM journals j
         LEFT JOIN journal_entries e ON e.journal = j.number AND e.revision > ? WHERE j.name = ? ORDER BY e.revision LIMIT ?`,
        revision,
        this.#name,
        limit,
      );
      const oldest = rows[0]?.oldest ?? 1;
      if (revision + 1 < oldest) {
        throw new BurgageError('not_found', {
          message: `journal ${this.#name}: revision ${revision + 1} was trimmed; the oldest is ${oldest}`,
          metadata: { journal: this.#name, oldest: String(oldest) },
        });
      }
      return rows.flatMap((row) =>
        row.revision === null ? [] : [{ revision: row.revision, value: this.#parse(row.revision, row.value) }],
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

  async reset(): Promise<JournalHead> {
    const head: JournalHead = { epoch: this.#newEpoch(), revision: 0, oldest: 1 };
    await this.#writes.write(() => {
      this.#database.run('DELETE FROM journal_entries WHERE journal = ?', this.#number);
      this.#database.run('UPDATE journals SET epoch = ?, revision = 0, oldest = 1 WHERE name = ?', head.epoch, this.#name);
    });
    this.#changes.notify(this.#name);
    return head;
  }

  #head(): JournalHead {
    const head = this.#database.one<JournalHead>('SELECT epoch, revision, oldest FROM journals WHERE name = ?', this.#name);
    if (head === undefined) {
      throw new BurgageError('data_corrupt', {
        message: `${this.#database.file}: journal ${this.#name} has lost its head`,
        metadata: { file: this.#database.file, journal: this.#name },
      });
    }
    return { ...head };
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

  #newEpoch(): string {
    return Buffer.from(this.#database.random.bytes(12)).toString('base64url');
  }
}

function checkRevision(field: string, revision: number): void {
  if (!Number.isSafeInteger(revision) || revision < 0) throw invalidField(field, `got ${revision}, expected a whole number from 0`);
}
