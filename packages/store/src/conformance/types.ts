// The document types that the conformance suite and its processes share.
import type { DocumentType } from '../port.ts';

/** Raised by one at each write. `copies` and the unique key repeat `count`, so that half a write would show. */
export interface Counter {
  readonly count: number;
  readonly copies: readonly number[];
}

export const counters: DocumentType<Counter> = {
  name: 'counters',
  schemaVersion: 1,
  unique: { count: ({ count }) => `count-${count}` },
  indexes: { count: ({ count }) => count },
};

export function counterAt(count: number): Counter {
  return { count, copies: [count, count, count] };
}

/** A document whose outbox is what matters. */
export interface Sender {
  readonly sent: number;
}

export const senders: DocumentType<Sender> = { name: 'senders', schemaVersion: 1 };

/** Where the relays of the suite publish to. */
export const publishedJournal = 'published';

/** One item of a sender, as published: its own number within the sender. */
export interface Published {
  readonly sender: string;
  readonly item: string;
  readonly relay: string;
}
