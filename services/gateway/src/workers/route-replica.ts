// A worker's copy of the routes: as the main thread feeds it, and never behind what is in force.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { LimitCells } from '../domain/limit-cells.ts';
import { type RouteNames, RouteTable } from '../domain/route-table.ts';
import type { Fed } from './messages.ts';
import type { WorkerWords } from './words.ts';
import type { WorkerMeters } from './worker-meters.ts';

export interface RouteReplicaOptions {
  readonly feed: MessagePort;
  readonly words: WorkerWords;
  readonly names: RouteNames;
  readonly cells: LimitCells;
  readonly meters: WorkerMeters;
  /** A piece of a table was taken in, and there is room for the next. */
  readonly onTaken: () => void;
  /** What is served is other than a moment ago; `isFirst`: there was nothing. */
  readonly onApplied: (isFirst: boolean) => void;
}

export class RouteReplica {
  readonly #options: RouteReplicaOptions;
  #table: RouteTable;
  /** A table that is not complete yet. */
  #coming: RouteTable | undefined;
  #generation = 0;
  #isEmpty = true;

  constructor(options: RouteReplicaOptions) {
    this.#options = options;
    this.#table = new RouteTable(options.names);
    options.feed.on('message', (fed: Fed) => this.#take(fed));
  }

  /** Hot path. The table to answer by: all that is in force at this moment is in it. */
  get table(): RouteTable {
    if (this.#options.words.generation !== this.#generation) this.#catchUp();
    return this.#table;
  }

  /** The same, where it is another one than was asked for last. */
  get changed(): RouteTable | undefined {
    return this.#options.words.generation === this.#generation ? undefined : this.table;
  }

  /** Whether a whole table is coming: the served one is older than what the main thread knows. */
  get isBehind(): boolean {
    return this.#coming !== undefined;
  }

  #catchUp(): void {
    const { feed, words } = this.#options;
    // It was sent before its number was said.
    while (this.#generation !== words.generation) {
      const received = receiveMessageOnPort(feed);
      if (received === undefined) return;
      this.#take(received.message as Fed);
    }
  }

  #take(fed: Fed): void {
    const { names, cells, meters, onTaken, onApplied } = this.#options;
    switch (fed.kind) {
      case 'names':
        for (const block of fed.blocks) cells.take(block);
        for (const name of fed.names) names.tenants.add(name);
        onTaken();
        return;
      case 'begin':
        this.#coming = new RouteTable(names);
        this.#generation = fed.generation;
        return;
      case 'piece':
        for (const entry of fed.entries) this.#coming?.apply(entry);
        onTaken();
        return;
      case 'swap': {
        const isFirst = this.#isEmpty;
        this.#table = this.#coming ?? this.#table;
        this.#coming = undefined;
        this.#isEmpty = false;
        this.#generation = fed.generation;
        onApplied(isFirst);
        return;
      }
      case 'entries': {
        const table = this.#coming ?? this.#table;
        for (const entry of fed.entries) table.apply(entry);
        this.#generation = fed.generation;
        if (this.#coming === undefined) onApplied(false);
        return;
      }
      case 'shares':
        meters.reshare(fed.even, fed.own);
        this.#generation = fed.generation;
        return;
      default:
        throw new TypeError(`unknown message ${String(fed satisfies never)}`);
    }
  }
}
