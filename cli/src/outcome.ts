// Follows an operation before the user's eyes and says how it ended.
import type { Operation, Tenant } from '@burgage/api';
import { isErrorCode } from '@burgage/contracts/errors';
import { type CommandFailure, exitCodes, failure } from './failure.ts';
import { followOperation } from './follow.ts';
import { plainText, tookOf } from './render.ts';
import type { Session } from './session.ts';
import { liveSteps, plainSteps } from './steps.ts';
import { nameOf } from './tenant-text.ts';

/** How the end of each kind is told: `live in 0.4 s`. */
const ends: Readonly<Record<string, string>> = {
  provision: 'live',
  suspend: 'suspended',
  resume: 'resumed',
  change_plan: 'changed',
  move: 'moved',
  terminate: 'closed',
};

/**
 * The operation as it ended, and its tenant as it is then. Steps are shown on standard output; with `asJson` on standard
 * error, because the answer alone belongs on the other; `after` leaves out what had happened up to that sequence.
 * @throws CommandFailure with exit code 7 where the operation did not end as `wanted`.
 */
export async function watchToEnd(
  session: Session,
  operationId: string,
  { after = 0, wanted = 'succeeded' }: { after?: number; wanted?: 'succeeded' | 'cancelled' } = {},
): Promise<{ operation: Operation; tenant: Tenant }> {
  const { client, terminal, asJson, style } = session;
  const view = !asJson && terminal.live ? liveSteps(terminal) : plainSteps(asJson ? terminal.err : terminal.out);
  let operation: Operation;
  try {
    operation = await followOperation(session, operationId, after, view.progress);
  } catch (error) {
    view.end();
    throw error;
  }
  if (operation.state !== wanted) {
    view.end();
    throw endedBadly(operation, session.called);
  }
  const tenant = await client.get<Tenant>(`/v1/tenants/${encodeURIComponent(operation.tenant.id)}`);
  const place = plainText(tenant.url ?? nameOf(tenant));
  // Who lifts one of several holds must not believe that the tenant is served again.
  const isHeld = operation.kind === 'resume' && tenant.holds.length > 0;
  const end = wanted === 'cancelled' ? 'cancelled' : isHeld ? 'hold lifted' : (ends[operation.kind] ?? 'done');
  const still = isHeld ? ` (still held: ${tenant.holds.join(', ')})` : '';
  view.end(`${end} in ${tookOf(operation.createdAt, operation.endedAt)}:  ${asJson ? place : style.bold(place)}${still}`);
  return { operation, tenant };
}

function endedBadly({ id, state, error, attention }: Operation, called: string): CommandFailure {
  const exitCode = exitCodes.operationFailed.code;
  if (state === 'cancelled') return failure('operation_cancelled', { message: `Somebody cancelled the operation ${id}.`, exitCode });
  const code = error !== undefined && isErrorCode(error.code) ? error.code : 'step_failed';
  const undone = state === 'failed' ? 'everything that it had done has been undone' : 'it cannot go on by itself';
  return failure(code, {
    message: `The operation ${id} did not succeed: ${error?.message ?? 'no reason was given.'} (${undone})`,
    advice:
      attention === undefined
        ? `${called} operations get ${id} shows each step and its error.`
        : `${attention} Then: ${called} operations retry ${id}`,
    exitCode,
  });
}
