// Follows an operation before the user's eyes and says how it ended.
import type { Operation, Tenant } from '@burgage/api';
import { isErrorCode } from '@burgage/contracts/errors';
import type { Client } from './client.ts';
import { type CommandFailure, exitCodes, failure } from './failure.ts';
import { followOperation } from './follow.ts';
import { paint, tookOf } from './render.ts';
import { liveSteps, plainSteps } from './steps.ts';
import type { Terminal } from './terminal.ts';

/**
 * The operation as it ended, and its tenant as it is then. Steps are shown on standard output; with `asJson` on standard
 * error, because the answer alone belongs on the other.
 * @throws CommandFailure with exit code 7 where the operation did not succeed.
 */
export async function watchToEnd(
  client: Client,
  operationId: string,
  terminal: Terminal,
  asJson: boolean,
): Promise<{ operation: Operation; tenant: Tenant }> {
  const view = !asJson && terminal.live ? liveSteps(terminal) : plainSteps(asJson ? terminal.err : terminal.out);
  let operation: Operation;
  try {
    operation = await followOperation(client, operationId, terminal, view.progress);
  } catch (error) {
    view.end();
    throw error;
  }
  if (operation.state !== 'succeeded') {
    view.end();
    throw endedBadly(operation);
  }
  const tenant = await client.get<Tenant>(`/v1/tenants/${encodeURIComponent(operation.tenant.id)}`);
  const { bold } = paint(terminal.color && !asJson);
  view.end(
    `${operation.kind === 'provision' ? 'live' : 'done'} in ${tookOf(operation.createdAt, operation.endedAt)}:  ${bold(tenant.url ?? tenant.id)}`,
  );
  return { operation, tenant };
}

function endedBadly({ id, state, error, attention }: Operation): CommandFailure {
  const code = error !== undefined && isErrorCode(error.code) ? error.code : 'step_failed';
  const undone = state === 'failed' ? 'everything that it had done has been undone' : 'it cannot go on by itself';
  return failure(code, {
    message: `The operation ${id} did not succeed: ${error?.message ?? 'no reason was given.'} (${undone})`,
    advice: attention ?? `burgage operations get ${id} shows each step and its error.`,
    exitCode: exitCodes.operationFailed.code,
  });
}
