// Group append: what several callers append while one batch is on its way goes together into the next.
import type { JournalHead } from '../port.ts';

/** An entry on its way, as its batch will hold it. */
export interface NewEntry {
  readonly stamp: string;
  readonly value: unknown;
}

/** What one call appends; all of it goes into one batch. */
export interface Append {
  readonly entries: readonly NewEntry[];
  /** Of the entries as text. */
  readonly length: number;
}

interface Waiting extends Append {
  readonly resolve: (head: JournalHead) => void;
  readonly reject: (error: unknown) => void;
}

/** No batch of several calls is larger, so that readers who want little do not have to take much. */
const entriesMax = 1_000;
const lengthMax = 256 * 1_024;

export class GroupAppend {
  readonly #insert: (entries: readonly NewEntry[]) => Promise<JournalHead>;
  #queue: Waiting[] = [];
  #inserting = false;

  /** `insert` appends one batch, and answers with the head at its end. */
  constructor(insert: (entries: readonly NewEntry[]) => Promise<JournalHead>) {
    this.#insert = insert;
  }

  /** Appends in the order of the calls; answers with the head at the end of this one's entries. */
  append(append: Append): Promise<JournalHead> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...append, resolve, reject });
      if (!this.#inserting) void this.#insertAll();
    });
  }

  async #insertAll(): Promise<void> {
    this.#inserting = true;
    while (this.#queue.length > 0) {
      // Those who have just been answered may have more: it comes along.
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#insertTogether(this.#nextGroup());
    }
    this.#inserting = false;
  }

  async #insertTogether(group: readonly Waiting[]): Promise<void> {
    try {
      const entries = group.flatMap((append) => append.entries);
      const head = await this.#insert(entries);
      let revision = head.revision - entries.length;
      for (const append of group) {
        revision += append.entries.length;
        append.resolve({ ...head, revision, stamp: append.entries.at(-1)?.stamp ?? head.stamp });
      }
    } catch (error) {
      for (const append of group) append.reject(error);
    }
  }

  /** As many as fit into one batch, and one at least. */
  #nextGroup(): readonly Waiting[] {
    let entryCount = 0;
    let length = 0;
    const end = this.#queue.findIndex((append, index) => {
      entryCount += append.entries.length;
      length += append.length;
      return index > 0 && (entryCount > entriesMax || length > lengthMax);
    });
    return this.#queue.splice(0, end === -1 ? this.#queue.length : end);
  }
}
