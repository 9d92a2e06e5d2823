// Tests of what the embedded adapter promises beyond the conformance suite: time, leases, retention, the file.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, ManualClock, type Random, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventOf, eventually } from '../conformance/engine.ts';
import type { Event, Events } from '../port.ts';
import { type EmbeddedEventsOptions, openEmbeddedEvents } from './embedded.ts';

const made = 'burgage.test.thing.made';
const hourMs = 60 * 60 * 1_000;
const half: Random = { bytes: systemRandom.bytes, float: () => 0.5 };

let folder: string;
let file: string;
let opened: Events[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-events-'));
  file = join(folder, 'events.sqlite');
});
afterEach(async () => {
  await Promise.all(opened.map((events) => events.close()));
  opened = [];
  await rm(folder, { recursive: true, force: true });
});

async function open(options: Partial<EmbeddedEventsOptions> = {}): Promise<Events> {
  const events = await openEmbeddedEvents({ file, ...options });
  opened.push(events);
  return events;
}

/** Resolves when the adapter has done all that was waiting, by waiting in the same line. */
async function turn(events: Events): Promise<void> {
  await events.publish(eventOf('other.turn'));
}

function rows(table: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count);
  } finally {
    database.close();
  }
}

test('the file and what SQLite puts beside it are for their owner alone', async () => {
  const events = await open();
  await events.publish(eventOf(made));
  for (const name of [file, `${file}-wal`]) expect((await stat(name)).mode & 0o777).toBe(0o600);
});

test('a file of a newer version is refused and left alone', async () => {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA user_version = 3');
  database.close();
  await expect(open()).rejects.toMatchObject({ code: 'data_folder_newer', metadata: { found: '3', known: '2' } });
});

test('events in a file of the format before are delivered as they are, and new ones keep their schema', async () => {
  const before = new DatabaseSync(file);
  before.exec(`
    CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, source TEXT NOT NULL,
      entity TEXT NOT NULL, time TEXT NOT NULL, traceparent TEXT, data BLOB NOT NULL, published_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE consumers (name TEXT PRIMARY KEY, subjects TEXT NOT NULL, cursor INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE deliveries (consumer TEXT NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, lease TEXT,
      PRIMARY KEY (consumer, seq)) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_due ON deliveries (consumer, due_ms);
    CREATE INDEX deliveries_seq ON deliveries (seq);
    CREATE TABLE dead_letters (consumer TEXT NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, time TEXT NOT NULL,
      PRIMARY KEY (consumer, seq)) STRICT, WITHOUT ROWID;
    CREATE INDEX dead_letters_seq ON dead_letters (seq);
    INSERT INTO events VALUES (1, 'old', '${made}', 'burgage.test', 'ten_1', '2026-01-01T00:00:00.000Z', NULL, x'0001ff', 0);
    INSERT INTO consumers VALUES ('readers', '["burgage.>"]', 0);
    PRAGMA user_version = 1;
  `);
  before.close();
  const events = await open();
  const got: Event[] = [];
  await events.subscribe({ consumer: 'readers', subjects: ['burgage.>'], handler: async (event) => void got.push(event) });
  const fresh = eventOf(made, { id: 'new', schema: 'burgage.test.v1.ThingMade' });
  await events.publish(fresh);
  await eventually(() => expect(got).toEqual([eventOf(made, { id: 'old' }), fresh]));
});

test('a file of something else is refused', async () => {
  await writeFile(file, 'this is not a database, and it is long enough to be sure of that\n'.repeat(20));
  await expect(open()).rejects.toMatchObject({ code: 'data_corrupt' });
});

test('a file in no folder is refused', async () => {
  await expect(open({ file: join(folder, 'none', 'events.sqlite') })).rejects.toMatchObject({ code: 'unavailable' });
});

test('an id that was published before is delivered once', async () => {
  const events = await open();
  const got: string[] = [];
  await events.subscribe({ consumer: 'readers', subjects: ['burgage.>'], handler: async (event) => void got.push(event.id) });
  for (const id of ['one', 'one', 'two', 'one']) await events.publish(eventOf(made, { id }));
  await eventually(() => expect(got).toContain('two'));
  expect(got).toEqual(['one', 'two']);
});

test('the delay doubles at each failure up to its bound, with full jitter', async () => {
  const clock = new ManualClock();
  const events = await open({ clock, random: half });
  const attempts: number[] = [];
  await events.subscribe({
    consumer: 'readers',
    subjects: ['burgage.>'],
    backoffMs: 1_000,
    backoffMaxMs: 4_000,
    handler: async (_event, { attempt }) => {
      attempts.push(attempt);
      throw new Error('broken');
    },
  });
  await events.publish(eventOf(made));
  for (const [index, delayMs] of [500, 1_000, 2_000, 2_000].entries()) {
    await eventually(() => expect(attempts).toHaveLength(index + 1));
    await turn(events);
    await clock.advance(delayMs - 1);
    await turn(events);
    expect(attempts).toHaveLength(index + 1);
    await clock.advance(1);
  }
  await eventually(() => expect(attempts).toEqual([1, 2, 3, 4, 5]));
});

/** One process that hangs with `event` in its handler, and a second whose clock goes on without it. */
async function hung(
  attemptsMax: number,
): Promise<{ event: string; release: () => void; other: Events; clock: ManualClock; stopHung: () => Promise<void> }> {
  const first = await open({ clock: new ManualClock() });
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const options = { consumer: 'workers', subjects: ['burgage.>'], attemptsMax, ackTimeoutMs: 1_000 };
  const subscription = await first.subscribe({
    ...options,
    handler: async () => {
      begun.resolve();
      await gate.promise;
    },
  });
  const event = eventOf(made);
  await first.publish(event);
  await begun.promise;
  const clock = new ManualClock();
  return { event: event.id, release: gate.resolve, other: await open({ clock }), clock, stopHung: () => subscription.stop() };
}

test('a lease that ended gives the event to another process, and the late answer of the first changes nothing', async () => {
  const { event, release, other, clock, stopHung } = await hung(3);
  const got: [string, number][] = [];
  const gate = Promise.withResolvers<void>();
  await other.subscribe({
    consumer: 'workers',
    subjects: ['burgage.>'],
    ackTimeoutMs: 60_000,
    handler: async ({ id }, { attempt }) => {
      got.push([id, attempt]);
      await gate.promise;
      throw new Error('broken');
    },
    attemptsMax: 2,
  });
  await turn(other);
  expect(got).toEqual([]);
  await clock.advance(1_300);
  await eventually(() => expect(got).toEqual([[event, 2]]));
  release();
  await stopHung();
  expect(rows('deliveries')).toBe(1);
  gate.resolve();
  await eventually(async () => expect(await other.deadLetters(10)).toMatchObject([{ event: { id: event }, attempts: 2 }]));
});

test('an event that took every process down with it ends as a dead letter', async () => {
  const { event, release, other, clock } = await hung(1);
  let delivered = 0;
  await other.subscribe({
    consumer: 'workers',
    subjects: ['burgage.>'],
    attemptsMax: 1,
    handler: async () => {
      delivered += 1;
    },
  });
  await clock.advance(1_300);
  await eventually(async () => expect(await other.deadLetters(10)).toMatchObject([{ event: { id: event }, attempts: 1 }]));
  expect(delivered).toBe(0);
  release();
});

test('events are deleted when they are old and every consumer is done with them, and only then', async () => {
  const clock = new ManualClock();
  const events = await open({ clock, retentionMs: 10 * hourMs });
  const handled: string[] = [];
  const swift = await events.subscribe({
    consumer: 'swift',
    subjects: ['burgage.>'],
    handler: async (event) => void handled.push(event.id),
  });
  const sick = await events.subscribe({
    consumer: 'sick',
    subjects: ['burgage.sick'],
    attemptsMax: 1,
    handler: async () => {
      throw new Error('broken');
    },
  });
  await events.publish(eventOf(made));
  await events.publish(eventOf('burgage.sick'));
  await eventually(async () => {
    expect(handled).toHaveLength(2);
    expect(await events.deadLetters(10)).toHaveLength(1);
  });
  await swift.stop();
  await sick.stop();
  await turn(events);

  await clock.advance(9 * hourMs);
  await turn(events);
  expect(rows('events')).toBe(4);
  // Beyond the age: what nobody needs goes; the dead letter's event stays, and so does what no consumer is past.
  await clock.advance(2 * hourMs);
  await turn(events);
  await eventually(() => expect(rows("events WHERE subject = 'burgage.test.thing.made'")).toBe(0));
  expect(rows("events WHERE subject = 'burgage.sick'")).toBe(1);
  const [letter] = await events.deadLetters(10);
  const again: string[] = [];
  await events.subscribe({ consumer: 'sick', subjects: ['burgage.sick'], handler: async (event) => void again.push(event.subject) });
  await events.replay(letter?.id ?? '');
  await eventually(() => expect(again).toEqual(['burgage.sick']));
});

test('a consumer with a thousand events to try again takes no new ones until some are through', async () => {
  const clock = new ManualClock();
  const events = await open({ clock, random: half });
  let healthy = false;
  let failures = 0;
  const handled = new Set<string>();
  await events.subscribe({
    consumer: 'readers',
    subjects: ['burgage.>'],
    backoffMs: 60_000,
    backoffMaxMs: 60_000,
    handler: async (event) => {
      if (healthy) {
        handled.add(event.id);
        return;
      }
      failures += 1;
      throw new Error('broken');
    },
  });
  const published = Array.from({ length: 1_100 }, () => eventOf(made));
  await Promise.all(published.map((event) => events.publish(event)));
  await eventually(() => expect(failures).toBe(1_000));
  await turn(events);
  await turn(events);
  expect(rows('deliveries')).toBe(1_000);
  expect(failures).toBe(1_000);
  healthy = true;
  await clock.advance(30_000);
  await eventually(() => expect(handled.size).toBe(published.length));
});

test("publishing waits for another process's write lock", async () => {
  const events = await open();
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  let published = false;
  const publishing = events.publish(eventOf(made)).then(() => {
    published = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(published).toBe(false);
  other.exec('COMMIT');
  other.close();
  await publishing;
  expect(rows('events')).toBe(1);
});

test('publishing is refused when the lock is held for longer than five seconds', async () => {
  const clock = new ManualClock();
  const events = await open({ clock });
  await turn(events);
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  const publishing = expect(events.publish(eventOf(made))).rejects.toMatchObject({ code: 'unavailable' });
  await refused(publishing, clock);
  other.exec('ROLLBACK');
  other.close();
});

/** Moves the time on until `promise` is settled. */
async function refused(promise: Promise<void>, clock: Pick<ManualClock, 'advance'> & Clock): Promise<void> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  for (let step = 0; step < 200 && !settled; step += 1) await clock.advance(1_000);
  await promise;
}

test('a file that cannot be written refuses with unavailable, and goes on when it can', async () => {
  const events = await open();
  const got: string[] = [];
  await events.subscribe({ consumer: 'readers', subjects: ['burgage.>'], handler: async (event) => void got.push(event.id) });
  const other = new DatabaseSync(file);
  other.exec('ALTER TABLE events RENAME TO elsewhere');
  await expect(events.publish(eventOf(made, { id: 'refused' }))).rejects.toMatchObject({ code: 'unavailable' });
  other.exec('ALTER TABLE elsewhere RENAME TO events');
  other.close();
  await events.publish(eventOf(made, { id: 'kept' }));
  await eventually(() => expect(got).toEqual(['kept']));
});
