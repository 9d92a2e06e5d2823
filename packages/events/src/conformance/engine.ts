// What the conformance suite needs of an engine, and the small things that its tests share.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, vi } from 'vitest';
import type { Event, Events, SubscribeOptions } from '../port.ts';

/** One engine under test. */
export interface EventsEngine {
  /** A module that exports `openEvents(place: string): Promise<Events>`; child processes import it too. */
  readonly module: URL;
  /** A fresh, empty place, such as a file's path or a server's address with a stream's name. */
  newPlace(): Promise<{ readonly place: string; remove(): Promise<void> }>;
}

interface EngineModule {
  openEvents(place: string): Promise<Events>;
}

/** What a child process is told to do; see child.ts. */
export type ChildTask =
  | { readonly kind: 'publish'; readonly prefix: string; readonly count: number }
  | { readonly kind: 'hang'; readonly consumer: string; readonly ackTimeoutMs: number; readonly attemptsMax?: number };

/** What a child process says: the id of an event that it has published, or whose handler has begun; or that it is through. */
export type ChildMessage = { readonly published: string } | { readonly handling: string } | { readonly done: true };

export interface Bench {
  /** Opens the test's place once more; closed after the test. */
  open(): Promise<Events>;
  /** Starts another process on the test's place; killed after the test. */
  spawn(task: ChildTask): { readonly child: ChildProcess; readonly messages: ChildMessage[]; kill(): Promise<void> };
}

/** Gives each test a place of its own, and takes away all that it opened. */
export function useBench(engine: EventsEngine): Bench {
  let place: Awaited<ReturnType<EventsEngine['newPlace']>>;
  let opened: Events[] = [];
  let kills: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    place = await engine.newPlace();
  });
  afterEach(async () => {
    await Promise.all(kills.map((kill) => kill()));
    await Promise.all(opened.map((events) => events.close()));
    kills = [];
    opened = [];
    await place.remove();
  });

  return {
    async open() {
      const { openEvents }: EngineModule = await import(engine.module.href);
      const events = await openEvents(place.place);
      opened.push(events);
      return events;
    },
    spawn(task) {
      const child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [engine.module.href, place.place, JSON.stringify(task)], {
        execArgv: [],
      });
      const messages: ChildMessage[] = [];
      child.on('message', (message: ChildMessage) => messages.push(message));
      const kill = async (): Promise<void> => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      };
      kills.push(kill);
      return { child, messages, kill };
    },
  };
}

let eventCount = 0;

/** An event with an id of its own. */
export function eventOf(subject: string, overrides: Partial<Event> = {}): Event {
  eventCount += 1;
  const id = `evt_${process.pid}_${eventCount}`;
  return {
    id,
    subject,
    source: 'burgage.test',
    entity: 'ten_1',
    time: '2026-01-01T00:00:00.000Z',
    data: new Uint8Array([0, 1, 255]),
    ...overrides,
  };
}

/** Options whose retries take milliseconds; a handler that records what it gets unless there is another. */
export function quick(consumer: string, handler: SubscribeOptions['handler'], overrides: Partial<SubscribeOptions> = {}): SubscribeOptions {
  return { consumer, subjects: ['burgage.>'], handler, backoffMs: 2, backoffMaxMs: 10, ackTimeoutMs: 20_000, ...overrides };
}

/** Waits until `check` no longer throws. The bound is for a broken engine only. */
export function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}
