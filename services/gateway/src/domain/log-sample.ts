// Which requests the access log has, where it is to have a share of the ordinary ones only.
import type { Exchange, Termination } from './exchange.ts';

/** An answer that took longer than this is not ordinary. */
const slowMs = 1_000;
const idDigits = 8;

/**
 * How much the line of this exchange stands for: `share` where it is one of so many ordinary ones, 1 where it is there in any
 * case (refusals, errors, tunnels, what broke off, what was slow), 0 where it is left out. By the request id, so that
 * whoever knows it can tell, and a log of another gateway or of the app can leave out the same.
 */
export function logShare(exchange: Exchange, termination: Termination, nowMs: number, share: number): number {
  if (share === 1) return 1;
  const { requestId, status, code, startedMs } = exchange;
  const isOrdinary = termination === 'completed' && code === undefined && status >= 200 && status < 400 && nowMs - startedMs <= slowMs;
  if (!isOrdinary) return 1;
  return Number.parseInt(requestId.slice(0, idDigits), 16) < share * 16 ** idDigits ? share : 0;
}
