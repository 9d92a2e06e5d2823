// The streams of one namespace: made where they are missing, brought to what is asked for, by any number of processes at once.
import { isDeepStrictEqual } from 'node:util';
import { BurgageError, fieldError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import { DiscardPolicy, type JetStreamManager, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { isRefusal, isStreamNotFound } from './faults.ts';
import type { Layout } from './layout.ts';

/** What is given holds always; a default holds when a stream is made, and what somebody changes by hand then stays. */
export interface StreamLimits {
  /** Copies of each stream, in a cluster of at least as many servers; default 1. */
  readonly replicas?: number;
  /** Events are deleted when they are older, handled or not; default 7 days. */
  readonly retentionMs?: number;
  /** The oldest events are deleted when all are larger together; default none. The server sets so much aside at once. */
  readonly bytesMax?: number;
  /** How long an event's id is known as a duplicate; default 2 minutes, which outlasts an outage and a relay's retries. The server keeps these ids in memory. */
  readonly duplicateWindowMs?: number;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** On a stream that replaces a lost one: whoever finds its consumer missing there has known it before, and wants all. */
const remadeMark = 'burgage-remade';

const defaults = { replicas: 1, retentionMs: 7 * dayMs, duplicateWindowMs: 2 * minuteMs } as const satisfies StreamLimits;

/** @throws BurgageError `config_invalid`. */
export function checkLimits(limits: StreamLimits): void {
  for (const [field, minimum, maximum] of [
    ['replicas', 1, 5],
    ['retentionMs', 1_000, Math.floor(Number.MAX_SAFE_INTEGER / 1e6)],
    ['duplicateWindowMs', 100, limits.retentionMs ?? defaults.retentionMs],
    ['bytesMax', 1_048_576, Number.MAX_SAFE_INTEGER],
  ] as const) {
    const value = limits[field];
    if (value !== undefined && !(Number.isInteger(value) && value >= minimum && value <= maximum)) {
      throw fieldError('config_invalid', field, `got ${value}, expected a whole number from ${minimum} to ${maximum}`);
    }
  }
}

/**
 * Makes and updates the streams. `known`: this process has seen them before. True where the stream of the events was lost.
 *
 * The stream of the events is the first to be made. So where it is missing and another one is not, it was lost: what is made
 * then carries a mark, by which a consumer that begins there takes all from the beginning.
 */
export async function ensureStreams(
  manager: JetStreamManager,
  layout: Layout,
  limits: StreamLimits,
  known: boolean,
  clock: Clock,
): Promise<boolean> {
  const given = configOf(limits);
  const remade = known || (await infoOf(manager, layout.deadLettersStream)) !== undefined;
  const made = await ensure(
    manager,
    { name: layout.eventsStream, description: 'The events of Burgage.', metadata: remade ? { [remadeMark]: 'true' } : {} },
    { ...given, subjects: layout.eventSubjects },
    clock,
  );
  await ensure(
    manager,
    { name: layout.deadLettersStream, description: 'Events that a consumer could not handle: kept until they are replayed or discarded.' },
    { ...given, subjects: [layout.deadLetterSubjectAny], max_age: 0, max_bytes: -1 },
    clock,
  );
  await ensure(
    manager,
    { name: layout.exhaustedStream, description: 'What the server says when it gives an event up: each becomes a dead letter.' },
    { ...given, subjects: [layout.exhaustedSubjectAny], max_bytes: -1 },
    clock,
  );
  return made && remade;
}

export function isRemade({ config }: StreamInfo): boolean {
  return config.metadata?.[remadeMark] === 'true';
}

/** Undefined where there is no such stream. */
export async function infoOf(manager: JetStreamManager, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (isStreamNotFound(error)) return undefined;
    throw error;
  }
}

/** True where it was made here. What is `wanted` holds whether it was made here or not. */
async function ensure(
  manager: JetStreamManager,
  first: Pick<StreamConfig, 'name' | 'description'> & Partial<StreamConfig>,
  wanted: Partial<StreamConfig>,
  clock: Clock,
): Promise<boolean> {
  const { name } = first;
  const info = await infoOf(manager, name);
  try {
    if (info === undefined) await manager.streams.add({ ...madeAs, ...first, ...wanted, first_seq: firstSequence(clock) });
    else {
      checkStorage(info);
      if (!isDeepStrictEqual({ ...info.config, ...wanted }, info.config)) await manager.streams.update(name, wanted);
    }
    return info === undefined;
  } catch (error) {
    if (isRefusal(error)) throw refused(name, error);
    throw error;
  }
}

/**
 * A stream that is made counts on from beyond whatever an earlier one of its name can have reached with fewer than a million
 * messages a second. So what names a message of a lost stream, such as a late answer, means none of the new one. A safe
 * integer until the year 2255.
 */
function firstSequence(clock: Clock): number {
  return clock.now().getTime() * 1_000;
}

/** What is given, and what follows from it. */
function configOf({ replicas, retentionMs, bytesMax, duplicateWindowMs }: StreamLimits): Partial<StreamConfig> {
  // The server refuses a window that is longer than events are kept.
  const followsMs = retentionMs !== undefined && retentionMs < defaults.duplicateWindowMs ? retentionMs : undefined;
  const windowMs = duplicateWindowMs ?? followsMs;
  return {
    ...(replicas === undefined ? {} : { num_replicas: replicas }),
    ...(retentionMs === undefined ? {} : { max_age: nanos(retentionMs) }),
    ...(bytesMax === undefined ? {} : { max_bytes: bytesMax }),
    ...(windowMs === undefined ? {} : { duplicate_window: nanos(windowMs) }),
  };
}

const madeAs = {
  ...configOf(defaults),
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
} as const satisfies Partial<StreamConfig>;

function refused(stream: string, error: Error): BurgageError {
  return new BurgageError('config_invalid', { message: `stream ${stream}: the NATS server refuses it: ${error.message}.`, cause: error });
}

function checkStorage({ config }: StreamInfo): void {
  if (config.storage !== StorageType.File) {
    throw new BurgageError('config_invalid', {
      message: `stream ${config.name}: got the storage ${config.storage}, expected file; events in it would not outlive the server.`,
    });
  }
}
