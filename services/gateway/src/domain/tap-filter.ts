// Which requests somebody who listens to a gateway wants to see.
import { BurgageError, invalidField } from '@burgage/contracts';
import { err, got, normalizeHost, ok, type Result } from '@burgage/tenancy';
import type { Exchange } from './exchange.ts';

/** All that is given must hold. */
export interface TapFilter {
  readonly tenantId?: string;
  /** As it is looked up. */
  readonly host?: string;
  /** From the first to the last. */
  readonly statuses?: readonly [number, number];
}

/** Reads `tenant` (an id), `host` and `status` (`404` or `5xx`). @returns `invalid_argument` naming the field. */
export function parseTapFilter(query: URLSearchParams): Result<TapFilter, BurgageError> {
  const [tenantId, host, status] = ['tenant', 'host', 'status'].map((name) => query.get(name) ?? undefined);
  const normalized = host === undefined ? undefined : normalizeHost(host);
  if (normalized?.ok === false)
    return err(new BurgageError('invalid_argument', { message: normalized.error.message, fields: normalized.error.fields }));
  const [, hundreds, rest] = /^([1-5])(\d\d|xx)$/i.exec(status ?? '') ?? [];
  if (status !== undefined && (hundreds === undefined || rest === undefined))
    return err(invalidField('status', `${got(status)}, expected a status such as 404, or 4xx for all of them`));
  const first = Number(hundreds) * 100;
  return ok({
    ...(tenantId !== undefined && { tenantId }),
    ...(normalized?.ok && { host: normalized.value }),
    ...(rest !== undefined && {
      statuses: Number.isNaN(Number(rest)) ? [first, first + 99] : [first + Number(rest), first + Number(rest)],
    }),
  });
}

export function passes({ tenantId, host, statuses }: TapFilter, { tenant, read, status }: Exchange): boolean {
  if (tenantId !== undefined && tenant?.tenantId !== tenantId) return false;
  if (host !== undefined && read?.host !== host) return false;
  return statuses === undefined || (status >= statuses[0] && status <= statuses[1]);
}
