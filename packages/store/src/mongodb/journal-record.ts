// What a journal keeps in MongoDB: its entries in batches, one document each, and beside them its epoch and its floor.
import { BurgageError, epochNumber } from '@burgage/contracts';
import type { Collection } from 'mongodb';
import { nextEpoch } from '../epoch.ts';
import type { JournalEntry } from '../port.ts';
import { fromBson } from './encoding.ts';
import { isDuplicate } from './errors.ts';
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
/** Batches in one reply of the server. */
const repliedAtOnce = 200;
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
  readonly #bounds: Collection<Bounds>;
  readonly #batches: Collection<Batch>;

  constructor(server: Server, name: string) {
    this.#server = server;
    this.#name = name;
    this.#bounds = server.db.collection('journals');
    this.#batches = server.db.collection(`journal_${name}`);
  }

  /** Made where there are none. */
  async bounds(): Promise<Bounds> {
    return await this.#server.untilClear(async () => {
      const found = await this.#bounds.findOne({ _id: this.#name });
      if (found !== null) return found;
      // Batches without bounds are what is left of something that was restored in parts: they are before the first epoch.
      const left = await this.lastAtOrBehind('');
      const bounds: Bounds = {
        _id: this.#name,
        epoch: nextEpoch(this.#server.random, left === undefined ? '' : epochOf(left._id)),
        oldest: 1,
      };
      try {
        await this.#bounds.insertOne(bounds);
        return bounds;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        return undefined;
      }
    });
  }

  /** False where `epoch` is over. */
  async raiseFloor(epoch: string, oldest: number): Promise<boolean> {
    return (await this.#bounds.updateOne({ _id: this.#name, epoch }, { $max: { oldest } })).matchedCount > 0;
  }

  /** False where `epoch` is over already. */
  async beginEpoch(epoch: string, next: string): Promise<boolean> {
    return (await this.#bounds.updateOne({ _id: this.#name, epoch }, { $set: { epoch: next, oldest: 1 } })).matchedCount > 0;
  }

  /** False where another batch has its place. A batch that may be there from an earlier attempt is recognised. */
  async insert(batch: Batch): Promise<boolean> {
    return await this.#server.repeating((repeated) =>
      this.#server.untilClear(async () => {
        try {
          await this.#batches.insertOne(batch);
          return true;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          if (!repeated) return false;
          const there = await this.#batches.findOne({ _id: batch._id }, { projection: endOnly });
          return there === null ? undefined : there.stamp === batch.stamp;
        }
      }),
    );
  }

  async remove({ _id, stamp }: BatchEnd): Promise<void> {
    await this.#batches.deleteOne({ _id, stamp });
  }

  /** Everything before `key`, of earlier epochs too. */
  async removeBefore(key: string): Promise<void> {
    for (;;) {
      const [boundary] = await this.#batches
        .find({ _id: { $lt: key } }, { projection: { _id: 1 } })
        .sort({ _id: 1 })
        .skip(deletedAtOnce)
        .limit(1)
        .toArray();
      await this.#batches.deleteMany({ _id: { $lt: boundary?._id ?? key } });
      if (boundary === undefined) return;
    }
  }

  /** The end of the last batch of `epoch`. */
  async lastEnd(epoch: string): Promise<BatchEnd | undefined> {
    return await this.#last(batchKey(epoch, 0), batchKey(epoch, Number.MAX_SAFE_INTEGER));
  }

  /** The end of the last batch of all, if its key is `key` or behind it. */
  async lastAtOrBehind(key: string): Promise<BatchEnd | undefined> {
    return await this.#last(key);
  }

  /** The end of the last batch that begins with `revision` or before. */
  async endAround(epoch: string, revision: number): Promise<BatchEnd | undefined> {
    return await this.#last(batchKey(epoch, 0), batchKey(epoch, revision));
  }

  /** The last batch that begins with `revision` or before. */
  async around(epoch: string, revision: number): Promise<Batch | undefined> {
    const range = { $gte: batchKey(epoch, 0), $lte: batchKey(epoch, revision) };
    return (await this.#batches.find({ _id: range }).sort({ _id: -1 }).limit(1).toArray())[0];
  }

  /** The batches that begin with `revision` or later, in order. */
  from(epoch: string, revision: number, batchesMax: number): AsyncIterable<Batch> {
    const range = { $gte: batchKey(epoch, revision), $lte: batchKey(epoch, Number.MAX_SAFE_INTEGER) };
    return this.#batches
      .find({ _id: range }, { batchSize: Math.min(repliedAtOnce, batchesMax) })
      .sort({ _id: 1 })
      .limit(batchesMax);
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

  async #last(from: string, to?: string): Promise<BatchEnd | undefined> {
    const range = { $gte: from, ...(to !== undefined && { $lte: to }) };
    return (await this.#batches.find({ _id: range }, { projection: endOnly }).sort({ _id: -1 }).limit(1).toArray())[0];
  }
}
