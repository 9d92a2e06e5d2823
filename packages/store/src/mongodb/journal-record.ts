// What a journal keeps in MongoDB: its entries in batches, one document each, and beside them its epoch and its floor.
import { BurgageError, epochNumber } from '@burgage/contracts';
import type { Collection, Db, UpdateFilter } from 'mongodb';
import { nextEpoch } from '../epoch.ts';
import type { JournalEntry } from '../port.ts';
import { fromBson } from './encoding.ts';
import { isDuplicate, isUndecided } from './errors.ts';
import type { Server } from './server.ts';

export interface Bounds {
  /** The journal's name. */
  readonly _id: string;
  readonly epoch: string;
  /** As `JournalHead.oldest`. Within an epoch it is only raised. */
  readonly oldest: number;
}

/** What was inserted at once: there as a whole or not at all, and never changed. */
export interface Batch {
  /** See `batchKey`: two writers cannot both append at one place. */
  readonly _id: string;
  /** Its last revision. */
  readonly last: number;
  /** Of its last entry. */
  readonly stamp: string;
  readonly entries: readonly { readonly stamp: string; readonly value: unknown }[];
}

/** All that the next batch has to know of the one before. */
export type BatchEnd = Pick<Batch, '_id' | 'last' | 'stamp'>;
const endOnly = { last: 1, stamp: 1 } as const;

const epochDigits = 15;
const revisionDigits = 16;
/** Batches that one question asks for: a reply holds 16 MB at most. */
const readAtOnce = 200;
/** Batches that one command deletes, so that a long past runs into no time limit. */
const deletedAtOnce = 1_000;

/** Epoch and first revision, as text whose order is that of epochs, and within one that of revisions. */
export function batchKey(epoch: string, firstRevision: number): string {
  const number = String(epochNumber(epoch));
  return `${'0'.repeat(epochDigits - number.length)}${epoch}/${String(firstRevision).padStart(revisionDigits, '0')}`;
}

function epochOf(key: string): string {
  return key.slice(0, -revisionDigits - 1).replace(/^0+/, '');
}

export function firstRevisionOf({ _id }: Pick<Batch, '_id'>): number {
  return Number(_id.slice(-revisionDigits));
}

export class JournalRecord {
  readonly #server: Server;
  readonly #name: string;

  constructor(server: Server, name: string) {
    this.#server = server;
    this.#name = name;
  }

  /** Made where there are none. */
  async bounds(): Promise<Bounds> {
    return await this.#server.untilClear(async () => {
      const found = await this.#server.read((db) => boundsIn(db).findOne({ _id: this.#name }));
      if (found !== null) return found;
      // Batches without bounds are left of something that was restored in parts: they are before the first epoch.
      const left = await this.lastAtOrBehind('');
      const epoch = nextEpoch(this.#server.random, left === undefined ? '' : epochOf(left._id));
      const bounds: Bounds = { _id: this.#name, epoch, oldest: 1 };
      try {
        await this.#server.ask((db) => boundsIn(db).insertOne(bounds));
        return bounds;
      } catch (error) {
        if (!isDuplicate(error) && !isUndecided(error)) throw error;
        return undefined;
      }
    });
  }

  /** False where `epoch` is over. */
  async raiseFloor(epoch: string, oldest: number): Promise<boolean> {
    return await this.#changeBounds(epoch, { $max: { oldest } });
  }

  /** False where `epoch` is over already. */
  async beginEpoch(epoch: string, next: string): Promise<boolean> {
    return await this.#changeBounds(epoch, { $set: { epoch: next, oldest: 1 } });
  }

  /** False where another batch has its place. A batch that may be there from an earlier attempt is recognised. */
  async insert(batch: Batch): Promise<boolean> {
    return await this.#server.repeating((repeated) =>
      this.#server.untilClear(async () => {
        try {
          await this.#ask((batches) => batches.insertOne(batch));
          return true;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          if (!repeated) return false;
          const there = await this.#ask((batches) => batches.findOne({ _id: batch._id }, { projection: endOnly }));
          return there === null ? undefined : there.stamp === batch.stamp;
        }
      }),
    );
  }

  async remove({ _id, stamp }: BatchEnd): Promise<void> {
    await this.#ask((batches) => batches.deleteOne({ _id, stamp }));
  }

  /** Everything before `key`, of earlier epochs too. */
  async removeBefore(key: string): Promise<void> {
    for (;;) {
      const before = { _id: { $lt: key } };
      const [boundary] = await this.#read((batches) =>
        batches
          .find(before, { projection: { _id: 1 } })
          .sort({ _id: 1 })
          .skip(deletedAtOnce)
          .limit(1)
          .toArray(),
      );
      await this.#ask((batches) => batches.deleteMany({ _id: { $lt: boundary?._id ?? key } }));
      if (boundary === undefined) return;
    }
  }

  /** The end of the last batch of `epoch`. */
  async lastEnd(epoch: string): Promise<BatchEnd | undefined> {
    return await this.#last({ $gte: batchKey(epoch, 0), $lte: batchKey(epoch, Number.MAX_SAFE_INTEGER) });
  }

  /** The end of the last batch of all, if its key is `key` or behind it. */
  async lastAtOrBehind(key: string): Promise<BatchEnd | undefined> {
    return await this.#last({ $gte: key });
  }

  /** The end of the last batch that begins with `revision` or before. */
  async endAround(epoch: string, revision: number): Promise<BatchEnd | undefined> {
    return await this.#last({ $gte: batchKey(epoch, 0), $lte: batchKey(epoch, revision) });
  }

  /** The last batch that begins with `revision` or before. */
  async around(epoch: string, revision: number): Promise<Batch | undefined> {
    const range = { $gte: batchKey(epoch, 0), $lte: batchKey(epoch, revision) };
    return (await this.#read((batches) => batches.find({ _id: range }).sort({ _id: -1 }).limit(1).toArray()))[0];
  }

  /** The batches that begin with `revision` or later, in order, some at a time; `countMax` of them at most. */
  async *from(epoch: string, revision: number, countMax: number): AsyncGenerator<Batch, void> {
    let next = revision;
    for (let left = countMax; left > 0; ) {
      const range = { $gte: batchKey(epoch, next), $lte: batchKey(epoch, Number.MAX_SAFE_INTEGER) };
      const count = Math.min(left, readAtOnce);
      const page = await this.#read((batches) =>
        batches.find({ _id: range }, { batchSize: count }).sort({ _id: 1 }).limit(count).toArray(),
      );
      yield* page;
      left = page.length < count ? 0 : left - count;
      next = (page.at(-1)?.last ?? 0) + 1;
    }
  }

  /** @throws BurgageError `data_corrupt`. */
  entriesOf(batch: Batch): readonly JournalEntry[] {
    const first = firstRevisionOf(batch);
    return batch.entries.map(({ stamp, value }, index) => {
      try {
        return { revision: first + index, stamp, value: fromBson(value) };
      } catch (error) {
        throw this.damaged(`entry ${first + index} is not what Burgage wrote`, error);
      }
    });
  }

  damaged(problem: string, cause?: unknown): BurgageError {
    return new BurgageError('data_corrupt', {
      message: `${this.#server.place}: journal ${this.#name}: ${problem}`,
      metadata: { server: this.#server.place, journal: this.#name },
      ...(cause !== undefined && { cause }),
    });
  }

  async #changeBounds(epoch: string, update: UpdateFilter<Bounds>): Promise<boolean> {
    return (await this.#server.ask((db) => boundsIn(db).updateOne({ _id: this.#name, epoch }, update))).matchedCount > 0;
  }

  async #last(range: { readonly $gte: string; readonly $lte?: string }): Promise<BatchEnd | undefined> {
    return (await this.#read((batches) => batches.find({ _id: range }, { projection: endOnly }).sort({ _id: -1 }).limit(1).toArray()))[0];
  }

  #ask<T>(question: (batches: Collection<Batch>) => Promise<T>): Promise<T> {
    return this.#server.ask((db) => question(db.collection(`journal_${this.#name}`)));
  }

  #read<T>(question: (batches: Collection<Batch>) => Promise<T>): Promise<T> {
    return this.#server.read((db) => question(db.collection(`journal_${this.#name}`)));
  }
}

function boundsIn(db: Db): Collection<Bounds> {
  return db.collection('journals');
}
