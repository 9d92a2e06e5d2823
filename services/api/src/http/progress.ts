// Streams the progress of an operation as server-sent events.
import type { Clock } from '@burgage/runtime';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { progressView } from '../domain/operation-view.ts';
import type { Operation } from '../schemas/operations.ts';
import type { ApiEnv, ApiPorts } from './env.ts';

/** A silent stream says that it lives this often, so that nobody between the two ends takes it for dead. */
const heartbeatMs = 15_000;
/** How long a reader should wait before it comes back. */
const reconnectMs = 1_000;

interface Watch {
  readonly operationId: string;
  readonly afterSequence: number;
  /** The operation, once it has ended. */
  readonly readIfEnded: () => Promise<Operation | undefined>;
}

/**
 * Entries as they happen, then `end`. Without `end` the reader comes back: that is how a stream closes when the api drains
 * or the provisioner goes away.
 */
export function streamProgress(c: Context<ApiEnv>, ports: ApiPorts, watch: Watch): Response {
  const { provisioner, metrics, logger, clock, draining } = ports;
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, draining, c.req.raw.signal]);
  const response = streamSSE(c, async (stream) => {
    stream.onAbort(() => gone.abort());
    metrics.progressStreams.inc();
    let sequence = watch.afterSequence;
    try {
      await stream.write(`retry: ${reconnectMs}\n\n`);
      const entries = provisioner.watchOperation({ operationId: watch.operationId, afterSequence: BigInt(sequence) }, { signal });
      for await (const entry of withHeartbeats(entries, clock, signal)) {
        if (entry === 'heartbeat') {
          await stream.write(': heartbeat\n\n');
        } else if (entry.progress !== undefined) {
          const progress = progressView(entry.progress);
          sequence = progress.sequence;
          await stream.writeSSE({ event: 'progress', id: String(sequence), data: JSON.stringify(progress) });
        }
      }
      const ended = await watch.readIfEnded();
      if (ended !== undefined) await stream.writeSSE({ event: 'end', id: String(ended.sequence), data: JSON.stringify(ended) });
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error, operation: watch.operationId, sequence }, 'a stream of progress was cut off');
    } finally {
      gone.abort();
      metrics.progressStreams.dec();
    }
  });
  if (c.req.method === 'HEAD') gone.abort();
  return response;
}

/** The items of `source`, and `heartbeat` whenever none has come for a while. Returns early when `signal` is aborted. */
async function* withHeartbeats<T>(source: AsyncIterable<T>, clock: Clock, signal: AbortSignal): AsyncGenerator<T | 'heartbeat'> {
  const items = source[Symbol.asyncIterator]();
  try {
    let pending = items.next();
    while (!signal.aborted) {
      const silence = new AbortController();
      const heartbeat = clock.sleep(heartbeatMs, AbortSignal.any([silence.signal, signal])).then(() => 'heartbeat' as const);
      const first = await Promise.race([pending, heartbeat]);
      silence.abort();
      if (first === 'heartbeat') {
        if (!signal.aborted) yield first;
        continue;
      }
      if (first.done) return;
      yield first.value;
      pending = items.next();
    }
    pending.catch(() => {});
  } finally {
    await items.return?.();
  }
}
