// Writes every change that somebody asks for into the audit trail, before it is answered.
import { createHash } from 'node:crypto';
import { asBurgageError } from '@burgage/contracts';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv, ApiPorts } from './env.ts';

/**
 * The entry is durable before the answer leaves, whether the change was made or refused. Where it cannot be written, the
 * caller gets that error instead. A request that is repeated under its idempotency key changes nothing and is written as
 * `repeated`: the trail shows every request that asked for a change, and counts each change once.
 */
export function audited(action: string, { audit, clock }: Pick<ApiPorts, 'audit' | 'clock'>): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    c.set('change', { action });
    await next();
    const { target, targetName, detail, idempotencyKey, repeated } = c.get('change');
    const failure = c.error === undefined ? undefined : asBurgageError(c.error);
    await audit.append({
      time: clock.now().toISOString(),
      actor: c.get('actor'),
      action,
      target,
      targetName,
      detail,
      idempotencyKeyHash: idempotencyKey === undefined ? undefined : createHash('sha256').update(idempotencyKey).digest('hex'),
      outcome: failure !== undefined ? 'failed' : repeated ? 'repeated' : 'succeeded',
      code: failure?.code,
      requestId: c.get('requestId'),
    });
  };
}
