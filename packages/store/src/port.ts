// The port of the store: documents with compare-and-set, and journals without gaps.

/** A value that survives JSON unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A field that lists may filter and sort by. */
export type IndexValue = string | number | boolean;

/**
 * One kind of document. A type is declared once, beside the domain that owns it.
 *
 * `unique` and `indexes` are computed from the value at each write and stored beside it: a filter or sort can name only
 * what is declared here, so that every adapter can make an index for it. Declaring another index, unique key or
 * `schemaVersion` has them computed again for what is stored; a function that computes something else than before
 * without any of these is not noticed.
 */
export interface DocumentType<T> {
  /** Lower-case letters, digits and underscores; unique within the store: `tenants`. */
  readonly name: string;
  /** Version of the value's shape, from 1. */
  readonly schemaVersion: number;
  /** Turns a value of `fromVersion` (lower than `schemaVersion`) into today's shape. Needed from version 2 on. */
  readonly upgrade?: (value: unknown, fromVersion: number) => T;
  /** Key name -> the value that no other document of the type may have. Undefined or an empty string: none. */
  readonly unique?: Readonly<Record<string, (value: T) => string | undefined>>;
  /** Index name -> the value to filter and sort by, of one kind for all documents. Undefined: the document is not found by that index. */
  readonly indexes?: Readonly<Record<string, (value: T) => IndexValue | undefined>>;
}

/** Something that must happen because of a write, carried by the document until a relay has done it. */
export interface OutboxItem {
  /** Unique within the document. */
  readonly id: string;
  /** What the relay does with it: `event` or `journal:<name>`. */
  readonly target: string;
  readonly payload: Json;
}

/** A document as it is stored. */
export interface Stored<T> {
  /** 1 to 1,024 characters; so are unique keys and index values that are text. Compared byte by byte, as UTF-8. */
  readonly id: string;
  /** 1 when inserted, one more at each replace. Pulling outbox items does not move it. */
  readonly version: number;
  readonly value: T;
  /** What is still to be relayed, oldest first. */
  readonly outbox: readonly OutboxItem[];
}

export interface Condition {
  /** The name of an index of the type, or `id`. */
  readonly field: string;
  /** `in` takes a list of at most 1,000 values, the others one value. */
  readonly op: 'eq' | 'lt' | 'lte' | 'gt' | 'gte' | 'in';
  readonly value: IndexValue | readonly IndexValue[];
}

export interface ListQuery {
  /** All must hold; 16 at most. */
  readonly where?: readonly Condition[];
  /** The name of an index, or `id` (the default). Ties are broken by id, in the same direction. */
  readonly sort?: { readonly field: string; readonly descending?: boolean };
  /** 1 to 1,000; default 100. */
  readonly pageSize?: number;
  /** `nextCursor` of the page before, with the same `where` and `sort`. */
  readonly cursor?: string;
  /** What to do with documents of a newer schema version: refuse the page (the default), or leave them to the newer code. */
  readonly tooNew?: 'refuse' | 'omit';
}

export interface Page<T> {
  readonly items: readonly Stored<T>[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/** What waits to be relayed in one document, oldest first. */
export type PendingOutbox = Pick<Stored<unknown>, 'id' | 'outbox'>;

/**
 * Documents of one type. A write is durable when its promise resolves.
 *
 * Values are plain JSON: fields that are undefined are left out, and what JSON cannot carry is refused with
 * `invalid_argument` naming the place. What comes back is a copy that nobody else holds. Any call may throw
 * `unavailable` (nothing is known to be written) and `data_corrupt`.
 *
 * Every read upgrades an older value in memory; the next replace stores today's shape. A document that was written by a
 * newer schema version is refused with `document_too_new` by reads and by writes.
 *
 * A read sees every write that was acknowledged before it began, whoever made it. Only behind a server that has lost its
 * place without knowing it yet may a read be late for some seconds; it never sees what can still be undone.
 */
export interface Documents<T> {
  get(id: string): Promise<Stored<T> | undefined>;
  /** The document that holds `value` under the unique key `key`. */
  findByKey(key: string, value: string): Promise<Stored<T> | undefined>;
  /** @throws BurgageError `already_exists` (metadata.id), `unique_key_taken` (metadata.key, metadata.value, metadata.holder: that document's id). */
  insert(id: string, value: T, outbox?: readonly OutboxItem[]): Promise<Stored<T>>;
  /**
   * Compare-and-set: writes only if the stored version is `version`. `outbox` is added to what is still to be relayed.
   * @throws BurgageError `version_conflict` (metadata.expected, metadata.actual), `document_not_found`, `unique_key_taken`.
   */
  replace(id: string, version: number, value: T, outbox?: readonly OutboxItem[]): Promise<Stored<T>>;
  /** Removes it only if the stored version is `version`. @throws as `replace`, and `outbox_pending` while something waits to be relayed. */
  remove(id: string, version: number): Promise<void>;
  /**
   * A document that exists during the whole of a paged walk and whose sort value does not change is seen exactly once,
   * whatever is written meanwhile. A page that would hold a document of a newer schema version is refused, naming its id,
   * unless the query has such documents left out.
   * @throws BurgageError `invalid_page_token`, `invalid_argument`, `document_too_new` (metadata.id).
   */
  list(query?: ListQuery): Promise<Page<T>>;
  /**
   * Documents that have something to relay, by id, at most `limit`, from the first id behind `after` on. Documents of a
   * newer schema version are left to the newer code. Values are not read: one that cannot be keeps no other document back.
   */
  pendingOutbox(limit: number, after?: string): Promise<readonly PendingOutbox[]>;
  /** Takes relayed items out, by id, without moving the version. Items that are gone already are no error. */
  pullOutbox(id: string, itemIds: readonly string[]): Promise<void>;
  /**
   * Stores up to `limit` documents of an older schema version in today's shape, indexes and unique keys included, without
   * moving their versions; answers how many it stored. 0: none is left. Newer ones are left alone.
   */
  upgradeStored(limit: number): Promise<number>;
}

export interface JournalEntry {
  /** 1, 2, 3 … without gaps. */
  readonly revision: number;
  /** Given at random to each append, so that two histories never have the same stamp at one revision. */
  readonly stamp: string;
  readonly value: Json;
}

/** How far somebody is in a journal. */
export interface JournalPosition {
  readonly epoch: string;
  readonly revision: number;
  /** The stamp of the entry at `revision`; empty at revision 0. */
  readonly stamp: string;
}

/**
 * How a position lies to what the journal holds now.
 * `held`: what follows it can be read · `past`: of an earlier epoch, or trimmed: only reading everything anew helps ·
 * `ahead`: of a later epoch, or a revision still to come: this reader is late, or an older copy was restored ·
 * `forked`: the history there is another one: an older copy was restored and written to.
 */
export type Standing = 'held' | 'past' | 'ahead' | 'forked';

/** The newest position: revision 0 when nothing was ever appended. */
export interface JournalHead extends JournalPosition {
  /** Another one after each reset, `<number>.<random>` with a higher number: revisions of different epochs cannot be compared. */
  readonly epoch: string;
  /** The oldest revision that can still be read; `revision + 1` when there is none. */
  readonly oldest: number;
}

/**
 * An append-only log without gaps, for any number of writers: who has read N has read everything before N.
 */
export interface Journal {
  /** Appends in order, at consecutive revisions, all or none; answers with the last revision. Durable when resolved. */
  append(values: readonly Json[]): Promise<JournalHead>;
  /**
   * Entries after `revision`, oldest first, at most `limit`. Who must not mix epochs asks for the head afterwards: if its
   * epoch is still the expected one, so was that of the entries.
   * @throws BurgageError `not_found` (metadata.oldest) where the entry after `revision` was trimmed.
   */
  readAfter(revision: number, limit: number): Promise<readonly JournalEntry[]>;
  head(): Promise<JournalHead>;
  /** Resolves with true as soon as the head is beyond `revision`, whoever appended; with false after `timeoutMs` or when aborted. */
  waitBeyond(revision: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  /** Forgets entries up to and with `revision`; the head stays. */
  trim(revision: number): Promise<void>;
  /** How `position`, taken from this journal at any time or from another copy of it, lies to what is here now. */
  standing(position: JournalPosition): Promise<Standing>;
  /**
   * Begins a new epoch: everything is forgotten, revisions begin at 1 again. The new epoch's number is higher than that of
   * the epoch before and that of `beyond`. With `from`, only if that is still the epoch: of several who find the same
   * reason, one resets. Answers with the head as it is then.
   */
  reset(options?: { readonly from?: string; readonly beyond?: string }): Promise<JournalHead>;
}

/** A store: one service's documents and journals. */
export interface Store {
  /**
   * Where the declaration is not what the store last saw, indexes and unique keys of what is stored are computed again,
   * here or at the first call. @throws BurgageError `invalid_argument`, `unique_key_taken` where stored documents break a
   * new unique key; nothing is changed then.
   */
  documents<T>(type: DocumentType<T>): Documents<T>;
  /** `name`: lower-case letters, digits and `.`, `_`, `-`. @throws BurgageError `invalid_argument`. */
  journal(name: string): Journal;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
  /** Finishes the writes that were asked for; every call afterwards throws `unavailable`. Closing again does nothing. */
  close(): Promise<void>;
}
