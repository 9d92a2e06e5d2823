// Streams what gateways say of requests as they end, several gateways in one stream of server-sent events.
import { asBurgageError } from '@burgage/contracts';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { ApiEnv, ApiPorts } from './env.ts';
import { problemOf } from './problem.ts';

export interface Tapped {
  readonly gateway: string;
  /** Lines of JSON; an empty one says that the gateway lives. */
  readonly lines: AsyncIterable<string>;
}

/** `record` and `dropped` as they come, `lost` for each gateway whose stream ends; after the last of them the answer ends. */
export function streamTaps(c: Context<ApiEnv>, { logger, draining }: ApiPorts, taps: readonly Tapped[], gone: AbortController): Response {
  const signal = AbortSignal.any([gone.signal, draining, c.req.raw.signal]);
  draining.addEventListener('abort', () => gone.abort(), { once: true });
  const response = streamSSE(c, async (stream) => {
    stream.onAbort(() => gone.abort());

    async function pass({ gateway, lines }: Tapped): Promise<void> {
      try {
        for await (const line of lines) {
          if (line === '') await stream.write(': heartbeat\n\n');
          else await stream.writeSSE(eventOf(gateway, JSON.parse(line)));
        }
        if (!signal.aborted) await stream.writeSSE({ event: 'lost', data: JSON.stringify({ gateway }) });
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error, gateway }, 'the tap of a gateway broke off');
        await stream.writeSSE({
          event: 'lost',
          data: JSON.stringify({ gateway, error: problemOf(asBurgageError(error), c.get('requestId')) }),
        });
      }
    }

    try {
      await Promise.all(taps.map(pass));
    } finally {
      gone.abort();
    }
  });
  if (c.req.method === 'HEAD') gone.abort();
  return response;
}

function eventOf(gateway: string, said: Readonly<Record<string, unknown>>): { event: string; data: string } {
  const event = typeof said.dropped === 'number' ? 'dropped' : 'record';
  return { event, data: JSON.stringify({ gateway, ...said }) };
}
