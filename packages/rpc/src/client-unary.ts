// A unary call of a client, with its retries.
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { asBurgageError, type BurgageError } from '@burgage/contracts';
import { beginSpan, type Random } from '@burgage/runtime';
import { abortError, exhausted, openBudget, wallDeadline } from './budget.ts';
import { type CalledMethod, type ClientParts, clientAttributes } from './client-parts.ts';
import { retriesMax, retryBackoffMs } from './defaults.ts';
import { headersOf } from './headers.ts';
import { decode, encode } from './method.ts';
import type { Failure } from './transport.ts';
import type { RpcCallOptions } from './types.ts';

/** Calls once, or as often as the contract and the deadline allow, and records how it ended. */
export async function callUnary(
  method: CalledMethod,
  request: MessageInitShape<DescMessage>,
  options: RpcCallOptions,
  parts: ClientParts,
): Promise<MessageShape<DescMessage>> {
  const { clock } = parts;
  const startedAtMs = clock.monotonicMs();
  const span = beginSpan(method.name, clientAttributes, 'client');
  let failed: BurgageError | undefined;
  try {
    return await tryUnary(method, request, options, span.traceparent, parts);
  } catch (thrown) {
    failed = asBurgageError(thrown);
    throw failed;
  } finally {
    span.end(failed);
    method.observe(failed?.code ?? 'ok', clock.monotonicMs() - startedAtMs);
  }
}

/** The first try and the retries that the contract, the catalogue and the deadline allow. @throws how the last one failed. */
async function tryUnary(
  method: CalledMethod,
  request: MessageInitShape<DescMessage>,
  options: RpcCallOptions,
  traceparent: string | undefined,
  parts: ClientParts,
): Promise<MessageShape<DescMessage>> {
  const { clock, random, transport, breaker } = parts;
  const budget = openBudget(options, parts.timeoutMs, clock);
  const bytes = encode(method.descriptor.input, request);
  const metadata = headersOf(budget.context, traceparent, options.metadata);
  for (let retries = 0; ; retries++) {
    const tooLate = exhausted(budget, clock);
    if (tooLate !== undefined) throw tooLate;
    const settings = { metadata, deadline: wallDeadline(budget, clock), signal: budget.signal };
    const outcome = (await breaker.attempt(() => transport.unary(method.path, bytes, settings))) ?? transport.refusal();
    if ('bytes' in outcome) return decode(method.descriptor.output, outcome.bytes);
    const waitMs = retryWaitMs(method, outcome, retries, random);
    if (waitMs === undefined) throw outcome.error;
    if (budget.deadlineAtMs !== undefined && clock.monotonicMs() + waitMs >= budget.deadlineAtMs) throw outcome.error;
    await clock.sleep(waitMs, budget.signal);
    if (budget.signal?.aborted) throw abortError(budget.signal);
    method.retried();
  }
}

/** How long to wait before the next try; undefined where there is none. */
function retryWaitMs(
  { idempotent }: CalledMethod,
  { error, reach, untouched = false }: Failure,
  retries: number,
  random: Random,
): number | undefined {
  if (retries >= retriesMax || reach === 'refused' || !(untouched || idempotent) || !error.definition.retry) return undefined;
  const backoffMs = random.float() * retryBackoffMs * 2 ** retries;
  return Math.max(backoffMs, error.retryAfterMs ?? 0);
}
