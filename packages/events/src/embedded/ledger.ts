// What the embedded events write and read: one function for each change, all inside the caller's transaction.
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { consumerNotFound, deadLetterNotFound } from '../checks.ts';
import type { DeadLetter, Event } from '../port.ts';
import { type Claim, lostReason } from '../running-handlers.ts';
import { compileSubjects } from '../subjects.ts';

type Row = Record<string, SQLOutputValue>;

/** One delivery that this process holds the lease of. */
export interface LedgerClaim extends Claim {
  readonly seq: number;
}

export interface ClaimQuery {
  readonly consumer: string;
  readonly limit: number;
  readonly nowMs: number;
  /** Wall clock, milliseconds. */
  readonly leaseEndMs: number;
  readonly attemptsMax: number;
}

export interface Claims {
  readonly claims: readonly LedgerClaim[];
  /** There may be more that is due now. */
  readonly more: boolean;
}

export type Ledger = ReturnType<typeof createLedger>;

/** Deliveries that one consumer may have in flight or waiting for another try; at that many its cursor rests. */
const pendingMax = 1_000;
/** Events that one claim looks at, so that a turn stays short however far behind a consumer is. */
const scanMax = 500;

/** `owner` is this process's name in leases, unique among all that ever open the file. */
export function createLedger(database: DatabaseSync, owner: string) {
  const sql = {
    insertEvent: database.prepare(
      'INSERT INTO events (id, subject, source, entity, time, traceparent, schema, data, published_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
    ),
    head: database.prepare("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS seq"),
    eventAt: database.prepare('SELECT * FROM events WHERE seq = ?'),
    eventsAfter: database.prepare('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?'),
    insertConsumer: database.prepare(
      'INSERT INTO consumers (name, subjects, cursor) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET subjects = excluded.subjects WHERE subjects <> excluded.subjects',
    ),
    consumer: database.prepare('SELECT subjects, cursor FROM consumers WHERE name = ?'),
    moveCursor: database.prepare('UPDATE consumers SET cursor = ? WHERE name = ?'),
    due: database.prepare('SELECT seq, attempts, lease FROM deliveries WHERE consumer = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?'),
    nextDue: database.prepare('SELECT min(due_ms) AS due_ms FROM deliveries WHERE consumer = ?'),
    pending: database.prepare('SELECT count(*) AS pending FROM deliveries WHERE consumer = ?'),
    insertDelivery: database.prepare('INSERT INTO deliveries (consumer, seq, attempts, due_ms, lease) VALUES (?, ?, ?, ?, ?)'),
    claimDelivery: database.prepare('UPDATE deliveries SET attempts = ?, due_ms = ?, lease = ? WHERE consumer = ? AND seq = ?'),
    removeDelivery: database.prepare('DELETE FROM deliveries WHERE consumer = ? AND seq = ?'),
    removeLeased: database.prepare('DELETE FROM deliveries WHERE consumer = ? AND seq = ? AND lease = ? AND attempts = ?'),
    retryLeased: database.prepare(
      'UPDATE deliveries SET due_ms = ?, lease = NULL WHERE consumer = ? AND seq = ? AND lease = ? AND attempts = ?',
    ),
    insertDeadLetter: database.prepare('INSERT INTO dead_letters (consumer, seq, attempts, reason, time) VALUES (?, ?, ?, ?, ?)'),
    removeDeadLetter: database.prepare('DELETE FROM dead_letters WHERE consumer = ? AND seq = ?'),
    deadLetters: database.prepare(
      'SELECT d.consumer, d.attempts, d.reason, d.time AS dead_time, e.* FROM dead_letters d JOIN events e USING (seq) ORDER BY d.time, d.seq, d.consumer LIMIT ?',
    ),
    removeConsumer: database.prepare('DELETE FROM consumers WHERE name = ?'),
    removeDeliveries: database.prepare('DELETE FROM deliveries WHERE consumer = ?'),
    removeDeadLetters: database.prepare('DELETE FROM dead_letters WHERE consumer = ?'),
    slowestCursor: database.prepare('SELECT min(cursor) AS cursor FROM consumers'),
    oldest: database.prepare('SELECT seq, published_ms FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?'),
    removeUnneeded: database.prepare(
      'DELETE FROM events WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE seq = ?1) AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE seq = ?1)',
    ),
    dataVersion: database.prepare('PRAGMA data_version'),
    ping: database.prepare('SELECT count(*) AS consumers FROM consumers'),
  };
  /** The filter of each consumer as the file had it last; compiled again only when the file says otherwise. */
  const filters = new Map<string, { readonly text: string; readonly matches: (subject: string) => boolean }>();

  function number(row: Row | undefined, column: string): number {
    return Number(row?.[column]);
  }

  function filterOf(consumer: string, text: string): (subject: string) => boolean {
    const known = filters.get(consumer);
    if (known?.text === text) return known.matches;
    const matches = compileSubjects(JSON.parse(text) as string[]);
    filters.set(consumer, { text, matches });
    return matches;
  }

  function bury(consumer: string, seq: number, attempts: number, reason: string, nowMs: number): void {
    sql.removeDelivery.run(consumer, seq);
    sql.insertDeadLetter.run(consumer, seq, attempts, reason, new Date(nowMs).toISOString());
  }

  function claimDue(query: ClaimQuery): Claims {
    const rows = sql.due.all(query.consumer, query.nowMs, query.limit);
    const claims: LedgerClaim[] = [];
    for (const row of rows) {
      const seq = number(row, 'seq');
      const attempts = number(row, 'attempts');
      // Only a lease that ended without an answer gets here with its attempts used up.
      if (row.lease !== null && attempts >= query.attemptsMax) {
        bury(query.consumer, seq, attempts, lostReason, query.nowMs);
        continue;
      }
      sql.claimDelivery.run(attempts + 1, query.leaseEndMs, owner, query.consumer, seq);
      claims.push({ seq, event: eventOf(sql.eventAt.get(seq) ?? {}), attempt: attempts + 1 });
    }
    return { claims, more: rows.length === query.limit && claims.length < query.limit };
  }

  function claimNew(query: ClaimQuery): Claims {
    const consumer = sql.consumer.get(query.consumer);
    const cursor = number(consumer, 'cursor');
    const room = Math.min(query.limit, pendingMax - number(sql.pending.get(query.consumer), 'pending'));
    if (consumer === undefined || room <= 0) return { claims: [], more: false };
    const matches = filterOf(query.consumer, String(consumer.subjects));
    const claims: LedgerClaim[] = [];
    let position = cursor;
    let scanned = 0;
    for (const row of sql.eventsAfter.iterate(cursor, scanMax)) {
      if (claims.length === room) break;
      scanned += 1;
      position = number(row, 'seq');
      if (matches(String(row.subject))) claims.push({ seq: position, event: eventOf(row), attempt: 1 });
    }
    for (const { seq, attempt } of claims) sql.insertDelivery.run(query.consumer, seq, attempt, query.leaseEndMs, owner);
    if (position !== cursor) sql.moveCursor.run(position, query.consumer);
    return { claims, more: scanned === scanMax };
  }

  return {
    /** Once per id for as long as the event is kept. */
    publish(event: Event, nowMs: number): void {
      const { id, subject, source, entity, time, traceparent, schema, data } = event;
      sql.insertEvent.run(id, subject, source, entity, time, traceparent ?? null, schema ?? null, data, nowMs);
    },

    /** A new consumer begins after the newest event; a known one keeps its place and takes the new subjects. */
    registerConsumer(consumer: string, subjects: readonly string[]): void {
      sql.insertConsumer.run(consumer, JSON.stringify(subjects), number(sql.head.get(), 'seq'));
    },

    /** @throws BurgageError `not_found`. */
    removeConsumer(consumer: string): void {
      if (sql.removeConsumer.run(consumer).changes === 0) throw consumerNotFound(consumer);
      sql.removeDeliveries.run(consumer);
      sql.removeDeadLetters.run(consumer);
    },

    /** Leases at most `limit` deliveries: first those that are due again, then new events. */
    claim(query: ClaimQuery): Claims {
      const due = claimDue(query);
      if (due.more || due.claims.length === query.limit) return due;
      const fresh = claimNew({ ...query, limit: query.limit - due.claims.length });
      return { claims: [...due.claims, ...fresh.claims], more: fresh.more };
    },

    /** The handler ended well. Without effect where the lease was lost. */
    acknowledge(consumer: string, { seq, attempt }: LedgerClaim): void {
      sql.removeLeased.run(consumer, seq, owner, attempt);
    },

    /** The handler failed and tries are left. Without effect where the lease was lost. */
    retry(consumer: string, { seq, attempt }: LedgerClaim, dueMs: number): void {
      sql.retryLeased.run(dueMs, consumer, seq, owner, attempt);
    },

    /** The handler failed for the last time. Without effect where the lease was lost. */
    fail(consumer: string, { seq, attempt }: LedgerClaim, reason: string, nowMs: number): void {
      if (sql.removeLeased.run(consumer, seq, owner, attempt).changes === 0) return;
      sql.insertDeadLetter.run(consumer, seq, attempt, reason, new Date(nowMs).toISOString());
    },

    /** When the consumer's next delivery is due, wall clock in milliseconds. */
    nextDueMs(consumer: string): number | undefined {
      const due = sql.nextDue.get(consumer)?.due_ms;
      return typeof due === 'number' ? due : undefined;
    },

    deadLetters(limit: number): readonly DeadLetter[] {
      return sql.deadLetters.all(limit).map((row) => ({
        id: `${String(row.consumer)}.${number(row, 'seq')}`,
        consumer: String(row.consumer),
        event: eventOf(row),
        attempts: number(row, 'attempts'),
        reason: String(row.reason),
        time: String(row.dead_time),
      }));
    },

    /** @throws BurgageError `not_found`. */
    replay(deadLetterId: string, nowMs: number): void {
      const { consumer, seq } = removeDeadLetter(deadLetterId);
      sql.insertDelivery.run(consumer, seq, 0, nowMs, null);
    },

    /** @throws BurgageError `not_found`. */
    discard(deadLetterId: string): void {
      removeDeadLetter(deadLetterId);
    },

    /**
     * Deletes events that were published before `beforeMs`, that every consumer is past, and that nobody is still working on.
     * Looks at `limit` events after `position`; answers with the position to go on from, or undefined at the end.
     */
    purge(position: number, beforeMs: number, limit: number): number | undefined {
      const slowest = sql.slowestCursor.get()?.cursor;
      const rows = sql.oldest.all(position, typeof slowest === 'number' ? slowest : Number.MAX_SAFE_INTEGER, limit);
      for (const row of rows) {
        if (number(row, 'published_ms') >= beforeMs) return undefined;
        sql.removeUnneeded.run(number(row, 'seq'));
      }
      return rows.length === limit ? number(rows.at(-1), 'seq') : undefined;
    },

    /** Another number whenever another process or connection has changed the file. */
    dataVersion(): number {
      return number(sql.dataVersion.get(), 'data_version');
    },

    ping(): void {
      sql.ping.get();
    },
  };

  function removeDeadLetter(id: string): { readonly consumer: string; readonly seq: number } {
    const dot = id.lastIndexOf('.');
    const consumer = id.slice(0, dot);
    const seq = Number(id.slice(dot + 1));
    if (dot < 1 || !Number.isSafeInteger(seq) || sql.removeDeadLetter.run(consumer, seq).changes === 0) {
      throw deadLetterNotFound(id);
    }
    return { consumer, seq };
  }
}

function eventOf(row: Row): Event {
  const { id, subject, source, entity, time, traceparent, schema, data } = row;
  return {
    id: String(id),
    subject: String(subject),
    source: String(source),
    entity: String(entity),
    time: String(time),
    ...(traceparent === null ? {} : { traceparent: String(traceparent) }),
    ...(schema === null ? {} : { schema: String(schema) }),
    data: data instanceof Uint8Array ? data : new Uint8Array(),
  };
}
