// Translates what tenants have of their own into what the API shows.
import type { Possession } from '@burgage/contracts';
import type { Instance, Orphan } from '../schemas/possessions.ts';

const instanceStates: readonly Instance['state'][] = ['starting', 'running', 'backing_off', 'stopped'];

/** The instance of a tenant among `possessions`; undefined where it has none. */
export function instanceView(possessions: readonly Possession[], tenantId: string): Instance | undefined {
  const instance = possessions.find((possession) => possession.kind === 'instance' && possession.tenantId === tenantId);
  const state = instanceStates.find((known) => known === instance?.state);
  if (instance === undefined || state === undefined) return undefined;
  return { state, restarts: instance.restarts, ...(instance.lastExit === '' ? {} : { lastExit: instance.lastExit }) };
}

/** Something that nobody owns, as the API shows it. */
export function orphanView({ id, kind, tenantId, detail }: Possession): Orphan {
  return { id, kind, ...(tenantId === '' ? {} : { tenantId }), ...(detail === '' ? {} : { detail }) };
}
