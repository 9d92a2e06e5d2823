// Which servers the store works with: asked at the start, as with others it would fail later and in stranger ways.
import { BurgageError } from '@burgage/contracts';

const majorMin = 7;

/**
 * FerretDB says of itself that it is MongoDB 7. Admitted are the versions that the conformance suite runs on: 1.24 on
 * SQLite, and 2 from 2.7 on, on PostgreSQL. What they acknowledge is as durable as the database beneath them.
 */
const ferretdbVersions = [/^v?1\.24\./, /^v?2\.(?:[7-9]|\d{2,})\./];

/** What the command `buildInfo` answers, as far as it matters here. */
export interface BuildInfo {
  readonly version?: string;
  readonly versionArray?: readonly number[];
  /** FerretDB 1. */
  readonly ferretdbVersion?: string;
  /** FerretDB 2. */
  readonly ferretdb?: { readonly version?: string };
}

/**
 * The name of the server: `MongoDB 7.0.14`.
 * @throws BurgageError `server_too_old` (metadata.found, metadata.expected); `place` names the server.
 */
export function checkServerVersion(place: string, info: BuildInfo): string {
  const ferretdb = info.ferretdb?.version ?? info.ferretdbVersion;
  if (ferretdb !== undefined) {
    if (!ferretdbVersions.some((admitted) => admitted.test(ferretdb))) throw tooOld(place, `FerretDB ${ferretdb}`);
    return `FerretDB ${ferretdb}`;
  }
  const found = `MongoDB ${info.version ?? 'of no version'}`;
  if (!((info.versionArray?.[0] ?? 0) >= majorMin)) throw tooOld(place, found);
  return found;
}

function tooOld(place: string, found: string): BurgageError {
  const expected = `MongoDB ${majorMin} or later`;
  return new BurgageError('server_too_old', {
    message: `${place}: got ${found}, expected ${expected}`,
    metadata: { server: place, found, expected },
  });
}
