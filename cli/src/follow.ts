// Follows an operation to its end, across streams that break.
import type { Operation, Progress } from '@burgage/api';
import { CommandFailure, exitCodes, failure } from './failure.ts';
import type { Session } from './session.ts';

/** The user pressed Ctrl-C while an operation was followed; it goes on without them. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** The command that follows it again. */
  readonly again: string;

  constructor(again: string) {
    super('interrupted while following an operation');
    this.again = again;
  }
}

/** Streams in a row that bring nothing before the command gives up: with the waits between them about a quarter of a minute. */
const emptyStreamsMax = 10;
const waitMsFirst = 200;
const waitMsMax = 2_000;

/**
 * Calls `onProgress` with each entry after the sequence `after` once, in order, and answers with the operation as it ended.
 * A stream that breaks is opened again after the last entry. @throws Interrupted on Ctrl-C; CommandFailure where the API stays away or refuses.
 */
export async function followOperation(
  { client, terminal, called }: Session,
  operationId: string,
  after: number,
  onProgress: (entry: Progress) => void,
): Promise<Operation> {
  const path = `/v1/operations/${encodeURIComponent(operationId)}/progress`;
  const again = `${called} operations watch ${operationId}`;
  const interrupted = terminal.interrupted();
  let lastEventId = after === 0 ? '' : String(after);
  for (let empty = 0; ; empty++) {
    let reason: unknown;
    try {
      for await (const { event, id, data } of client.events(path, lastEventId, interrupted)) {
        if (event === 'end') return JSON.parse(data);
        if (event !== 'progress') continue;
        lastEventId = id;
        empty = 0;
        onProgress(JSON.parse(data));
      }
    } catch (error) {
      if (error instanceof CommandFailure && error.exitCode !== exitCodes.unavailable.code) throw error;
      reason = error;
    }
    if (!interrupted.aborted && empty < emptyStreamsMax) await terminal.sleep(Math.min(waitMsFirst * 2 ** empty, waitMsMax), interrupted);
    if (interrupted.aborted) throw new Interrupted(again);
    if (empty >= emptyStreamsMax) {
      throw failure('unavailable', {
        message: `The progress of ${operationId} cannot be followed any more: the API does not answer. The operation itself may go on.`,
        advice: `Try again: ${again}`,
        cause: reason,
      });
    }
  }
}
