// What the main thread and a worker tell each other: plain values, which can be sent from one thread to the other.
import type { BlockList } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode, FieldViolation } from '@burgage/contracts';
import type { LoggerOptions } from '@burgage/runtime';
import type { RouteEntry } from '@burgage/tenancy';
import type { Limits, Timeouts } from '../defaults.ts';
import type { CellBlock } from '../domain/limit-cells.ts';
import type { Shares } from '../domain/limit-shares.ts';
import type { Strain } from '../domain/shedding.ts';
import type { TapFilter } from '../domain/tap-filter.ts';
import type { MetricFigures } from './figures.ts';

/** What a worker is begun with. */
export interface WorkerSetup {
  /** From 0. */
  readonly worker: number;
  readonly workers: number;
  readonly host: string;
  readonly port: number;
  readonly httpsPort: number | undefined;
  readonly certificates: string | undefined;
  readonly proxyProtocolFrom: BlockList | undefined;
  readonly contextKeysFile: string | undefined;
  readonly hasAccessLog: boolean;
  readonly accessLogSample: number;
  readonly baseDomain: string;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly log: LoggerOptions;
  /** What `WorkerWords` stands on, this worker's. */
  readonly words: SharedArrayBuffer;
  /** What `SharedTicketKeys` stands on, all workers'. */
  readonly tickets: SharedArrayBuffer;
  /** Of the limit cells. */
  readonly locking: SharedArrayBuffer;
  /** Where routes come from. */
  readonly feed: MessagePort;
  /** The same moment on two clocks: the main thread's, and the one that all threads have; milliseconds. */
  readonly clock: { readonly mainMs: number; readonly machineMs: number };
}

/**
 * To a worker, in order, about what it answers by. What has a `generation` is in force once the worker's words say that
 * number: it takes it in before its next request.
 */
export type Fed =
  /** Names of tenants, each the next in number, and the cells for their limits; to be answered with `taken`. */
  | { readonly kind: 'names'; readonly names: readonly string[]; readonly blocks: readonly CellBlock[] }
  /** A whole table begins to come, beside the one that is served. */
  | { readonly kind: 'begin'; readonly generation: number }
  /** Entries of it, to be answered with `taken`. */
  | { readonly kind: 'piece'; readonly entries: readonly RouteEntry[] }
  /** It is complete, and takes the place of the served one. */
  | { readonly kind: 'swap'; readonly generation: number }
  /** Entries for the served table, or for the one that comes. */
  | { readonly kind: 'entries'; readonly entries: readonly RouteEntry[]; readonly generation: number }
  | { readonly kind: 'shares'; readonly even: Shares; readonly own: ReadonlyMap<string, Shares>; readonly generation: number };

/** To a worker, about itself. */
export type ToWorker =
  | { readonly kind: 'drain' | 'stop' | 'report' | 'logged' | 'not-logged' }
  /** Whom a host leads to, and by which entries; undefined: nothing can be said about it. */
  | { readonly kind: 'resolved'; readonly host: string; readonly found: FoundHost | undefined }
  | { readonly kind: 'tap'; readonly listener: number; readonly filter: TapFilter }
  | { readonly kind: 'untap'; readonly listener: number };

/** What the main thread knows of a host; without a tenant it leads to nobody. */
export interface FoundHost {
  readonly tenantId: string | undefined;
  readonly entries: readonly RouteEntry[];
}

export type FromWorker =
  | { readonly kind: 'listening'; readonly address: string; readonly httpsAddress: string | undefined }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly fields: readonly FieldViolation[] }
  | { readonly kind: 'taken' | 'drained' }
  /** Nothing comes after it. */
  | { readonly kind: 'stopped' }
  /** What was counted of some tenants, as `WorkerMeters.report` gives it. */
  | { readonly kind: 'counted'; readonly meters: Float64Array }
  /** The rest of what it counts; what it had counted of tenants was said before. */
  | { readonly kind: 'report'; readonly figures: readonly MetricFigures[]; readonly strain: Strain }
  | { readonly kind: 'resolve'; readonly host: string }
  | { readonly kind: 'log'; readonly bytes: Uint8Array }
  | { readonly kind: 'tapped'; readonly listener: number; readonly text: string };
