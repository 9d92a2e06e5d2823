// What the tests of the NATS adapter share: adapters that are closed after the test, and what they log.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, type Logger } from '@burgage/runtime';
import { afterEach, beforeEach } from 'vitest';
import type { Events } from '../../port.ts';
import { type NatsEventsOptions, openNatsEvents } from '../nats.ts';

export interface NatsBench {
  /** Another one for each test. */
  readonly namespace: string;
  readonly logger: Logger;
  /** In the test's namespace; closed after the test. */
  open(options: NatsEventsOptions): Promise<Events>;
  /** Closed after the test. */
  openWithoutNamespace(options: NatsEventsOptions): Promise<Events>;
  /** The messages that `logger` has written, in order, of a level. */
  logged(level: string): Promise<readonly string[]>;
  /** All that `logger` has written. */
  log(): Promise<string>;
}

let tests = 0;

export function useNatsBench(): NatsBench {
  let folder = '';
  let logger: Logger;
  let opened: Events[] = [];

  beforeEach(async () => {
    tests += 1;
    folder = await mkdtemp(join(tmpdir(), 'burgage-events-nats-'));
    logger = createLogger({ service: 'test', level: 'debug', destination: join(folder, 'log') });
  });
  afterEach(async () => {
    await Promise.all(opened.map((events) => events.close()));
    opened = [];
    await rm(folder, { recursive: true, force: true });
  });

  const log = (): Promise<string> => readFile(join(folder, 'log'), 'utf8');
  return {
    get namespace() {
      return `test-${process.pid}-${tests}`;
    },
    get logger() {
      return logger;
    },
    open(options) {
      return this.openWithoutNamespace({ namespace: this.namespace, ...options });
    },
    async openWithoutNamespace(options) {
      const events = await openNatsEvents({ logger, ...options });
      opened.push(events);
      return events;
    },
    log,
    async logged(level) {
      const lines = (await log()).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line)).flatMap((line) => (line.level === level ? [line.msg] : []));
    },
  };
}
