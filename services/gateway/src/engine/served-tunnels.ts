// Whether an open tunnel would still be opened: it ends with its tenant's standing, where its data are, and its host.
import { standing } from '../domain/admission.ts';
import type { Exchange } from '../domain/exchange.ts';
import type { RouteTable } from '../domain/route-table.ts';

export function isServed({ tenant, isolation, read }: Exchange, table: RouteTable, inSync: boolean): boolean {
  if (tenant === undefined || read === undefined) return true;
  const now = table.tenant(tenant.tenantId);
  if (now !== undefined && (standing(now) !== undefined || now.isolation !== isolation)) return false;
  // What the table does not know is gone only if the table is all there is to know.
  return !inSync || table.find(read.host)?.tenant?.tenantId === tenant.tenantId;
}
