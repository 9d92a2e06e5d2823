// A journal in MongoDB: batches that follow each other without gaps, whoever appends.
import { BurgageError } from '@burgage/contracts';
import { newStamp, nextEpoch } from '../epoch.ts';
import { checkJournalName, checkLimit, checkRevision } from '../journal-arguments.ts';
import { jsonText } from '../json.ts';
import type { Journal, JournalEntry, JournalHead, JournalPosition, Json, Standing } from '../port.ts';
import { trimmedAway } from '../refusals.ts';
import { standingOf } from '../standing.ts';
import { toBson } from './encoding.ts';
import { GroupAppend, type NewEntry } from './group-append.ts';
import { type Batch, batchKey, firstRevisionOf, JournalRecord } from './journal-record.ts';
import { JournalWatch } from './journal-watch.ts';
import type { Server } from './server.ts';

/** How long the end of the journal is believed to be where it was seen; see `#appendBatch` for what an older belief costs. */
const endKnownForMs = 100;
/** So often is a journal read that changes while it is read; then it is damaged. */
const readsMax = 5;

/** Where the next batch begins. */
interface End {
  readonly epoch: string;
  readonly revision: number;
  /** Monotonic. */
  readonly seenAtMs: number;
}

export class MongoJournal implements Journal {
  readonly #server: Server;
  readonly #name: string;
  readonly #record: JournalRecord;
  readonly #appends: GroupAppend;
  readonly #watch: JournalWatch;
  /** As last seen. */
  #epoch: string | undefined;
  #end: End | undefined;

  constructor(server: Server, name: string) {
    checkJournalName(name);
    this.#server = server;
    this.#name = name;
    this.#record = new JournalRecord(server, name);
    this.#appends = new GroupAppend((entries) => this.#appendBatch(entries));
    this.#watch = new JournalWatch(server, this.#record);
  }

  async append(values: readonly Json[]): Promise<JournalHead> {
    const texts = values.map((value, index) => jsonText(`values[${index}]`, value));
    if (texts.length === 0) return await this.head();
    const stamp = newStamp(this.#server.random);
    const entries = texts.map((text) => ({ stamp, value: toBson(JSON.parse(text) as Json) }));
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    return await this.#server.call(() => this.#appends.append({ entries, length }));
  }

  async readAfter(revision: number, limit: number): Promise<readonly JournalEntry[]> {
    checkRevision('revision', revision);
    checkLimit(limit);
    return await this.#server.call(() =>
      this.#steady(async (epoch) => {
        const entries = await this.#entriesAfter(epoch, revision, limit);
        // Only now: what was trimmed while it was read is missing from the entries.
        const bounds = await this.#bounds();
        if (bounds.epoch !== epoch) return undefined;
        if (revision + 1 < bounds.oldest) throw trimmedAway(this.#name, revision, bounds.oldest);
        if (entries === undefined) throw this.#record.damaged(`entry ${revision + 1} is missing`);
        return entries;
      }),
    );
  }

  async head(): Promise<JournalHead> {
    return await this.#server.call(() => this.#head());
  }

  async waitBeyond(revision: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const { clock } = this.#server;
    const endsAtMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const head = await this.head();
      if (head.revision > revision) return true;
      const leftMs = endsAtMs - clock.monotonicMs();
      if (leftMs <= 0 || signal?.aborted) return false;
      const over = new AbortController();
      const end = (): void => over.abort();
      signal?.addEventListener('abort', end);
      void clock.sleep(leftMs, over.signal).then(end);
      try {
        await this.#watch.untilAt(batchKey(head.epoch, head.revision + 1), over.signal);
      } finally {
        signal?.removeEventListener('abort', end);
        end();
      }
    }
  }

  async trim(revision: number): Promise<void> {
    checkRevision('revision', revision);
    await this.#server.call(() =>
      this.#server.repeating(async () => {
        const head = await this.#head();
        const oldest = Math.max(head.oldest, Math.min(revision, head.revision) + 1);
        // First the floor, then what is below it: see `#appendBatch`. After a reset there is nothing left to trim.
        if (!(await this.#record.raiseFloor(head.epoch, oldest))) return;
        // The last batch stays, whatever is trimmed: it says where the next one begins.
        const kept = await this.#record.endAround(head.epoch, oldest);
        if (kept !== undefined) await this.#record.removeBefore(kept._id);
      }),
    );
  }

  async standing(position: JournalPosition): Promise<Standing> {
    checkRevision('position.revision', position.revision);
    return await this.#server.call(() =>
      this.#steady(async (epoch) => {
        // First the batch, then the head: what is not trimmed afterwards was not trimmed before.
        const batch = position.epoch === epoch ? await this.#record.around(epoch, position.revision) : undefined;
        const head = await this.#head();
        if (head.epoch !== epoch) return undefined;
        const isKept = position.revision >= head.oldest;
        const stamp = batch === undefined || !isKept ? undefined : batch.entries[position.revision - firstRevisionOf(batch)]?.stamp;
        return standingOf(position, head, stamp);
      }),
    );
  }

  async reset({ from, beyond = '' }: { readonly from?: string; readonly beyond?: string } = {}): Promise<JournalHead> {
    let next = '';
    return await this.#server.call(() =>
      this.#server.repeating(async () => {
        for (;;) {
          const { epoch } = await this.#bounds();
          // An earlier attempt whose outcome was not known has done it.
          if (epoch !== next) {
            if (from !== undefined && from !== epoch) return await this.#head();
            next = nextEpoch(this.#server.random, epoch, beyond);
            if (!(await this.#record.beginEpoch(epoch, next))) continue;
          }
          this.#epoch = next;
          await this.#record.removeBefore(batchKey(next, 0));
          return { epoch: next, revision: 0, stamp: '', oldest: 1 };
        }
      }),
    );
  }

  /**
   * Appends a batch behind the last one. Why an acknowledged batch is part of the journal, and the only one at its place:
   *
   * 1. A batch is one document whose id is (epoch, first revision), so only one of several writers gets a place. The
   *    others see that theirs is taken, look for the end anew and try there. The end of a batch never changes, and a
   *    writer chooses its place right behind an end that it has seen. So places follow each other without gaps.
   * 2. Only a place that was trimmed could be taken twice: by a writer who saw the end there long ago. A trim first
   *    raises the floor, then deletes what is wholly below it. So the writer looks at the floor after it has inserted:
   *    if the floor is not above its place, nothing was ever deleted there, and it was the first. If it is above, then
   *    either the writer was late, or its batch was appended as it should be and trimmed at once; that cannot be told
   *    apart, and is not acknowledged. A writer believes in the end that it knows for a moment only, so that it takes
   *    that many appends and a trim within this moment to come here.
   * 3. The batch of a late writer is never read: it lies below the floor, begins before the batch that holds the oldest
   *    entry, and is not the last one, as a trim leaves the last batch alone. The next trim removes it.
   * 4. A reset changes the epoch, then deletes what is of earlier ones. A writer that finds another epoch after it has
   *    inserted was overtaken by a reset, and appends anew in the epoch that is.
   */
  async #appendBatch(entries: readonly NewEntry[]): Promise<JournalHead> {
    const stamp = entries.at(-1)?.stamp ?? '';
    return await this.#server.untilClear(async () => {
      let end = await this.#currentEnd();
      for (;;) {
        const { epoch } = end;
        const first = end.revision + 1;
        const batch: Batch = { _id: batchKey(epoch, first), last: end.revision + entries.length, stamp, entries };
        if (!(await this.#record.insert(batch))) {
          const taken = end.revision;
          end = await this.#seekEnd(epoch);
          // A majority does not have yet what took the place.
          if (end.revision === taken) return undefined;
          continue;
        }
        const bounds = await this.#bounds();
        if (bounds.epoch === epoch && bounds.oldest <= first) {
          this.#end = { epoch, revision: batch.last, seenAtMs: this.#server.clock.monotonicMs() };
          this.#watch.notify(batch._id);
          return { epoch, revision: batch.last, stamp, oldest: bounds.oldest };
        }
        this.#end = undefined;
        if (bounds.epoch === epoch) throw this.#undecided();
        await this.#record.remove(batch);
        end = await this.#seekEnd(bounds.epoch);
      }
    });
  }

  async #currentEnd(): Promise<End> {
    const known = this.#end;
    if (known !== undefined && this.#server.clock.monotonicMs() - known.seenAtMs < endKnownForMs) return known;
    return await this.#seekEnd(this.#epoch ?? (await this.#bounds()).epoch);
  }

  async #seekEnd(epoch: string): Promise<End> {
    const seenAtMs = this.#server.clock.monotonicMs();
    const last = await this.#record.lastEnd(epoch);
    return { epoch, revision: last?.last ?? 0, seenAtMs };
  }

  async #bounds(): Promise<{ readonly epoch: string; readonly oldest: number }> {
    const bounds = await this.#record.bounds();
    this.#epoch = bounds.epoch;
    return bounds;
  }

  async #head(): Promise<JournalHead> {
    return await this.#steady(async (epoch) => {
      const last = await this.#record.lastEnd(epoch);
      // Only now: while the epoch is the same, nothing of it was deleted by a reset.
      const bounds = await this.#bounds();
      if (bounds.epoch !== epoch) return undefined;
      if (last === undefined) return bounds.oldest === 1 ? { epoch, revision: 0, stamp: '', oldest: 1 } : undefined;
      // More may have been appended and trimmed meanwhile.
      return { epoch, revision: last.last, stamp: last.stamp, oldest: Math.min(bounds.oldest, last.last + 1) };
    });
  }

  /** What `read` answers with for the epoch that is; asked again where it answers with nothing, as that has changed. */
  async #steady<T>(read: (epoch: string) => Promise<T | undefined>): Promise<T> {
    for (let reads = 0; reads < readsMax; reads += 1) {
      const result = await read(this.#epoch ?? (await this.#bounds()).epoch);
      if (result !== undefined) return result;
    }
    throw this.#record.damaged('its last batch is gone');
  }

  /** Nothing where there are later entries but not the first one. */
  async #entriesAfter(epoch: string, revision: number, limit: number): Promise<readonly JournalEntry[] | undefined> {
    const entries: JournalEntry[] = [];
    const take = (batch: Batch | undefined): void => {
      if (batch === undefined) return;
      const known = revision + entries.length + 1 - firstRevisionOf(batch);
      if (known >= 0) entries.push(...this.#record.entriesOf(batch).slice(known, known + limit - entries.length));
    };
    let isFirst = true;
    for await (const batch of this.#record.from(epoch, revision + 1, limit)) {
      // It may begin in the middle of a batch. What is before a batch was there before it, so it is looked for afterwards.
      if (isFirst && firstRevisionOf(batch) > revision + 1) take(await this.#record.around(epoch, revision));
      isFirst = false;
      const known = entries.length;
      take(batch);
      if (entries.length === 0) return undefined;
      if (entries.length === known || entries.length >= limit) return entries;
    }
    if (isFirst) take(await this.#record.around(epoch, revision));
    return entries;
  }

  #undecided(): BurgageError {
    return new BurgageError('unavailable', {
      message: `journal ${this.#name} was trimmed while this was appended; whether it was is not known`,
      metadata: { journal: this.#name },
    });
  }
}
