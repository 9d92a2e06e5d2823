// A unary call of a client, with its retries.
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { asBurgageError, type BurgageError } from '@burgage/contracts';
import { beginSpan, type Random } from '@burgage/runtime';
import { abortError, exhausted, openBudget, wallDeadline } from './budget.ts';
import type { ClientParts } from './client-parts.ts';
import { retriesMax, retryBackoffMs } from './defaults.ts';
import { headersOf } from './headers.ts';
import { decode, encode, isIdempotent, pathOf } from './method.ts';
import type { Failure } from './transport.ts';
import type { RpcCallOptions } from './types.ts';

/** Calls once, or as often as the contract and the deadline allow, and records how it ended. */
export async function callUnary(
  method: DescMethod,
  request: MessageInitShape<DescMessage>,
  options: RpcCallOptions,
  parts: ClientParts,
): Promise<MessageShape<DescMessage>> {
  const { clock, observe } = parts;
  const startedAtMs = clock.monotonicMs();
  const span = beginSpan(pathOf(method).slice(1), { 'rpc.system': 'grpc' }, 'client');
  const result = await tryUnary(method, request, options, span.traceparent, parts).catch((thrown: unknown) => ({
    error: asBurgageError(thrown),
  }));
  const error = 'error' in result ? result.error : undefined;
  span.end(error);
  observe(method, error?.code ?? 'ok', clock.monotonicMs() - startedAtMs);
  if ('error' in result) throw result.error;
  return result.message;
}

/** The first try and the retries that the contract, the catalogue and the deadline allow. */
async function tryUnary(
  method: DescMethod,
  request: MessageInitShape<DescMessage>,
  options: RpcCallOptions,
  traceparent: string | undefined,
  parts: ClientParts,
): Promise<{ message: MessageShape<DescMessage> } | { error: BurgageError }> {
  const { clock, random, transport, breaker } = parts;
  const budget = openBudget(options, parts.timeoutMs, clock);
  const bytes = encode(method.input, request);
  const metadata = headersOf(budget.context, traceparent, options.metadata);
  for (let retries = 0; ; retries++) {
    const tooLate = exhausted(budget, clock);
    if (tooLate !== undefined) return { error: tooLate };
    const settings = { metadata, deadline: wallDeadline(budget, clock), signal: budget.signal };
    const outcome = (await breaker.attempt(() => transport.unary(pathOf(method), bytes, settings))) ?? transport.refusal();
    if ('bytes' in outcome) return { message: decode(method.output, outcome.bytes) };
    const waitMs = retryWaitMs(method, outcome, retries, random);
    if (waitMs === undefined) return { error: outcome.error };
    if (budget.deadlineAtMs !== undefined && clock.monotonicMs() + waitMs >= budget.deadlineAtMs) return { error: outcome.error };
    await clock.sleep(waitMs, budget.signal);
    if (budget.signal?.aborted) return { error: abortError(budget.signal) };
    parts.retried(method);
  }
}

/** How long to wait before the next try; undefined where there is none. */
function retryWaitMs(method: DescMethod, { error, reach }: Failure, retries: number, random: Random): number | undefined {
  if (retries >= retriesMax || reach === 'refused' || !isIdempotent(method) || !error.definition.retry) return undefined;
  const backoffMs = random.float() * retryBackoffMs * 2 ** retries;
  return Math.max(backoffMs, error.retryAfterMs ?? 0);
}
