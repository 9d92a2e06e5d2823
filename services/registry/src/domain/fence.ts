// Whether a worker that writes still has its turn at the tenant.
import { BurgageError } from '@burgage/contracts';
import { err, got, ok, type Result } from '@burgage/tenancy';

/** The operation that writes and its worker's turn. */
export interface Fence {
  readonly operationId: string;
  /** From 1; grows each time another worker takes the tenant. */
  readonly token: number;
}

/**
 * The fence of a request, checked for shape alone.
 * @returns `invalid_argument` naming `fence.operation_id` and `fence.token`, both where both are wrong.
 */
export function parseFence(fence: { readonly operationId: string; readonly token: bigint } | undefined): Result<Fence> {
  const fields = [];
  if (!fence || !/^[\x21-\x7e]{1,255}$/.test(fence.operationId)) {
    fields.push({
      field: 'fence.operation_id',
      description: `${got(fence?.operationId ?? '')}, expected 1 to 255 visible characters`,
    });
  }
  if (!fence || fence.token < 1n || fence.token > BigInt(Number.MAX_SAFE_INTEGER)) {
    fields.push({
      field: 'fence.token',
      description: `${fence ? `got ${fence.token}` : 'is missing'}, expected 1 to ${Number.MAX_SAFE_INTEGER}`,
    });
  }
  if (fence && fields.length === 0) return ok({ operationId: fence.operationId, token: Number(fence.token) });
  const message = fields.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return err(new BurgageError('invalid_argument', { message, fields }));
}

/** `fence` while nobody with a higher token has been seen; `fenced` afterwards. */
export function checkFence(tokenSeen: number, fence: Fence): Result<Fence> {
  if (fence.token >= tokenSeen) return ok(fence);
  return err(
    new BurgageError('fenced', {
      message: `fence.token: got ${fence.token} from ${fence.operationId}, expected ${tokenSeen} or more, which a later attempt has written with`,
      metadata: { token: String(fence.token), seen: String(tokenSeen) },
    }),
  );
}
