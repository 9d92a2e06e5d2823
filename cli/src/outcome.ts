// Follows an operation before the user's eyes and says how it ended.
import type { Operation, Tenant } from '@burgage/api';
import { isErrorCode } from '@burgage/contracts/errors';
import { type CommandFailure, exitCodes, failure } from './failure.ts';
import { followOperation } from './follow.ts';
import { tookOf } from './render.ts';
import type { Session } from './session.ts';
import { liveSteps, plainSteps } from './steps.ts';

/**
 * The operation as it ended, and its tenant as it is then. Steps are shown on standard output; with `asJson` on standard
 * error, because the answer alone belongs on the other.
 * @throws CommandFailure with exit code 7 where the operation did not succeed.
 */
export async function watchToEnd(session: Session, operationId: string): Promise<{ operation: Operation; tenant: Tenant }> {
  const { client, terminal, asJson, style } = session;
  const view = !asJson && terminal.live ? liveSteps(terminal) : plainSteps(asJson ? terminal.err : terminal.out);
  let operation: Operation;
  try {
    operation = await followOperation(session, operationId, view.progress);
  } catch (error) {
    view.end();
    throw error;
  }
  if (operation.state !== 'succeeded') {
    view.end();
    throw endedBadly(operation, session.called);
  }
  const tenant = await client.get<Tenant>(`/v1/tenants/${encodeURIComponent(operation.tenant.id)}`);
  view.end(
    `${operation.kind === 'provision' ? 'live' : 'done'} in ${tookOf(operation.createdAt, operation.endedAt)}:  ${asJson ? (tenant.url ?? tenant.id) : style.bold(tenant.url ?? tenant.id)}`,
  );
  return { operation, tenant };
}

function endedBadly({ id, state, error, attention }: Operation, called: string): CommandFailure {
  const code = error !== undefined && isErrorCode(error.code) ? error.code : 'step_failed';
  const undone = state === 'failed' ? 'everything that it had done has been undone' : 'it cannot go on by itself';
  return failure(code, {
    message: `The operation ${id} did not succeed: ${error?.message ?? 'no reason was given.'} (${undone})`,
    advice: attention ?? `${called} operations get ${id} shows each step and its error.`,
    exitCode: exitCodes.operationFailed.code,
  });
}
