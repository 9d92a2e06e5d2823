// Feeds a worker's copy of the routes: the whole table when it begins and when another takes its place, and every change at once.
import type { MessagePort } from 'node:worker_threads';
import type { RouteEntry } from '@burgage/tenancy';
import type { LimitCells } from '../domain/limit-cells.ts';
import type { LimitShares } from '../domain/limit-shares.ts';
import type { RouteFollower } from '../domain/route-follower.ts';
import type { Fed } from './messages.ts';
import type { WorkerWords } from './words.ts';

/** Small enough that taking one in holds up no request for long. */
const pieceEntries = 500;
/** To a worker that serves nobody yet: each piece is a way there and back. */
const firstPieceEntries = 5_000;
const pieceNames = 2_000;
/** On their way at a time. */
const piecesMax = 2;

export interface RouteFeedOptions {
  readonly port: MessagePort;
  readonly words: WorkerWords;
  readonly follower: RouteFollower;
  readonly cells: LimitCells;
  readonly shares: LimitShares;
  /** The worker has a whole table again. */
  readonly onWhole: () => void;
}

export class RouteFeed {
  readonly #options: RouteFeedOptions;
  #generation = 0;
  /** How many names, and blocks of cells, it was told. */
  #names = 0;
  #blocks = 0;
  #onTheWay = 0;
  #wake: (() => void) | undefined;
  #isLoading = false;
  #hasTable = false;
  /** The table that was being sent is not the one to send any more. */
  #isStale = false;
  #isClosed = false;

  constructor(options: RouteFeedOptions) {
    this.#options = options;
  }

  /** Whether the worker answers by a table that is not the main thread's. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Sends the whole table, in pieces, and whatever comes meanwhile. */
  load(): void {
    this.#isStale = true;
    if (this.#isLoading) return;
    this.#isLoading = true;
    void this.#load();
  }

  applied(entries: readonly RouteEntry[]): void {
    this.#tellNames(Number.POSITIVE_INFINITY);
    this.#inForce({ kind: 'entries', entries, generation: this.#next() });
  }

  /** The shares of limits are other ones. */
  tellShares(): void {
    const { even, own } = this.#options.shares.all;
    this.#inForce({ kind: 'shares', even, own, generation: this.#next() });
  }

  /** Names that the table had to be given for other reasons than an entry of it. */
  tellNames(): void {
    if (this.#names < this.#options.follower.table.names.tenants.count) this.applied([]);
  }

  /** The worker took in what it has to say so of. */
  taken(): void {
    this.#onTheWay -= 1;
    this.#wake?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#options.port.close();
    this.#wake?.();
  }

  async #load(): Promise<void> {
    const { follower, onWhole } = this.#options;
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      this.#inForce({ kind: 'begin', generation: this.#next() });
      while (this.#tellNames(pieceNames)) await this.#room(piecesMax);
      let piece: RouteEntry[] = [];
      for (const entry of follower.table.entries()) {
        if (piece.push(entry) < (this.#hasTable ? pieceEntries : firstPieceEntries)) continue;
        this.#send({ kind: 'piece', entries: piece });
        piece = [];
        await this.#room(piecesMax);
        if (this.#isStale || this.#isClosed) break;
      }
      this.#send({ kind: 'piece', entries: piece });
      await this.#room(1);
    }
    if (this.#isClosed) return;
    this.#isLoading = false;
    this.#hasTable = true;
    this.#inForce({ kind: 'swap', generation: this.#next() });
    onWhole();
  }

  /** Tells so many of the names that the worker does not know; false where there are none. */
  #tellNames(max: number): boolean {
    const { cells } = this.#options;
    const { tenants } = this.#options.follower.table.names;
    if (tenants.count === this.#names) return false;
    const names: string[] = [];
    while (this.#names < tenants.count && names.length < max) names.push(tenants.nameOf(this.#names++));
    cells.grow(tenants.count);
    const blocks = cells.blocks.slice(this.#blocks);
    this.#blocks = cells.blocks.length;
    this.#send({ kind: 'names', names, blocks });
    return true;
  }

  #next(): number {
    this.#generation = (this.#generation + 1) | 0;
    return this.#generation;
  }

  #inForce(fed: Fed & { readonly generation: number }): void {
    if (this.#isClosed) return;
    this.#options.port.postMessage(fed);
    this.#options.words.generation = fed.generation;
  }

  #send(fed: Fed): void {
    if (this.#isClosed) return;
    this.#onTheWay += 1;
    this.#options.port.postMessage(fed);
  }

  async #room(max: number): Promise<void> {
    while (this.#onTheWay >= max && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
