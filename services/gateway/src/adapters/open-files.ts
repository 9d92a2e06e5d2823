// How many files this process may have open, and how many of them are for clients.
import { fieldError } from '@burgage/contracts';

/** For itself: its code and threads, logs, the table, certificates, the admin port, the registry. */
const ownFiles = 64;
const ownFilesPerWorker = 16;

/** As the system allows it; undefined: it has no bound, or does not tell. */
export function openFilesMax(): number | undefined {
  // It would ask for the names of peers.
  const report = Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as { userLimits?: Record<string, { soft?: unknown }> };
  const soft = Number(userLimits?.open_files?.soft);
  return Number.isSafeInteger(soft) && soft > 0 ? soft : undefined;
}

/**
 * Connections of clients at once: half of what `filesMax` files leave, as each may need one to an endpoint; `wanted`, where that
 * is less. @throws BurgageError `config_invalid` (`clientConnectionsMax`) where it is more.
 */
export function clientConnectionsWithin(
  filesMax: number | undefined,
  { wanted, workers, most }: { readonly wanted: number | undefined; readonly workers: number; readonly most: number },
): number {
  if (filesMax === undefined) return wanted ?? most;
  const own = ownFiles + (workers === 1 ? 0 : workers * ownFilesPerWorker);
  const half = Math.max(1, Math.floor((filesMax - own) / 2));
  if (wanted === undefined) return Math.min(half, most);
  if (wanted <= half) return wanted;
  const why = `the process may open ${filesMax} files, and each client may need one to an endpoint`;
  throw fieldError('config_invalid', 'clientConnectionsMax', `got ${wanted}, expected at most ${half}: ${why}`);
}
