// Writes every change that somebody asks for into the audit trail, before it is answered.
import { createHash } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv, ApiPorts } from './env.ts';
import { errorFromThrown } from './problem.ts';

/**
 * The entry is durable before the answer leaves, whether the change was made or refused. Where it cannot be written, the
 * caller gets that error instead: a change that is repeated under its idempotency key is made once and written then.
 */
export function audited(action: string, { audit, clock }: Pick<ApiPorts, 'audit' | 'clock'>): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    c.set('change', { action });
    await next();
    const { target, idempotencyKey } = c.get('change');
    const failure = c.error === undefined ? undefined : errorFromThrown(c.error);
    await audit.append({
      time: clock.now().toISOString(),
      actor: c.get('actor'),
      action,
      target,
      idempotencyKeyHash: idempotencyKey === undefined ? undefined : createHash('sha256').update(idempotencyKey).digest('hex'),
      outcome: failure === undefined ? 'succeeded' : 'failed',
      code: failure?.code,
      requestId: c.get('requestId'),
    });
  };
}
