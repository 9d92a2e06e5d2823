// An upstream: a named set of endpoints.
import { isDeepStrictEqual } from 'node:util';
import { BurgageError, type FieldViolation } from '@burgage/contracts';
import { type Endpoint, err, got, normalizeHost, ok, type Result, type RouteEntry } from '@burgage/tenancy';
import { checkFence, type Fence, parseFence } from './fence.ts';

/** What the store keeps of an upstream; its document's id is the name. Endpoints are sorted by address. */
export interface UpstreamRecord {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  /** It is gone. The document stays, so that the version of its route goes on growing should the name come back. */
  readonly removed?: boolean;
  /** The highest that has written it; absent where no operation has. */
  readonly fenceToken?: number;
}

const endpointsMax = 1_000;
const weightMax = 100;

/**
 * An upstream with its endpoints checked and in order, so that two equal sets are equal.
 * @returns `invalid_argument` naming every field that is wrong: `name`, `endpoints[2].address` …
 */
export function parseUpstream(name: string, endpoints: readonly Endpoint[]): Result<UpstreamRecord> {
  const fields: FieldViolation[] = [];
  const refuse = (field: string, description: string): void => void fields.push({ field, description });
  if (!/^[a-z0-9_-]{1,63}$/.test(name))
    refuse('name', `${got(name)}, expected 1 to 63 lower-case letters, digits, hyphens and underscores`);
  if (endpoints.length > endpointsMax) refuse('endpoints', `got ${endpoints.length}, expected at most ${endpointsMax}`);
  const seen = new Set<string>();
  const checked = endpoints.slice(0, endpointsMax).map(({ address, weight, zone }, index) => {
    const field = `endpoints[${index}]`;
    const parsed = parseAddress(address);
    if (parsed === undefined) refuse(`${field}.address`, `${got(address)}, expected host:port with a port from 1 to 65535`);
    else if (seen.has(parsed)) refuse(`${field}.address`, `${got(address)} twice, expected each address once`);
    else seen.add(parsed);
    if (weight < 0 || weight > weightMax) refuse(`${field}.weight`, `got ${weight}, expected 1 to ${weightMax}, or 0 for 1`);
    if (!/^[\x21-\x7e]{0,63}$/.test(zone)) refuse(`${field}.zone`, `${got(zone)}, expected up to 63 visible ASCII characters`);
    return { address: parsed ?? address, weight: weight || 1, zone };
  });
  if (fields.length > 0) {
    return err(
      new BurgageError('invalid_argument', {
        message: fields.map(({ field, description }) => `${field}: ${description}`).join('; '),
        fields,
      }),
    );
  }
  return ok({ name, endpoints: checked.sort((a, b) => (a.address < b.address ? -1 : 1)) });
}

/**
 * The record as `wanted` says, the same where it is so already. What an operation has written only operations write again.
 * @returns `fenced`; `invalid_argument` naming `fence` where there has to be one.
 */
export function changeUpstream(
  record: UpstreamRecord,
  wanted: Partial<Pick<UpstreamRecord, 'endpoints' | 'removed'>>,
  fence: Fence | undefined,
): Result<UpstreamRecord> {
  const { name, fenceToken = 0 } = record;
  const checked = fence === undefined && fenceToken > 0 ? parseFence(fence) : ok(fence);
  if (!checked.ok) return checked;
  const fenced = fence === undefined ? ok(fence) : checkFence(fenceToken, fence);
  if (!fenced.ok) return fenced;
  const { endpoints, removed = false } = { ...record, ...wanted };
  const changed = { name, endpoints, ...(removed && { removed }), ...(fence && { fenceToken: fence.token }) };
  return ok(isDeepStrictEqual(changed, record) ? record : changed);
}

/** `host:port` with the host normalised and the port without leading zeros; undefined where it is not one. IPv6 in brackets. */
export function parseAddress(text: string): string | undefined {
  const [, hostText, portText] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(portText);
  if (hostText === undefined || hostText.endsWith('.') || !(port >= 1 && port <= 65_535)) return undefined;
  const host = normalizeHost(hostText);
  return host.ok ? `${host.value}:${port}` : undefined;
}

/** The route entry of an upstream whose document has `version`. */
export function upstreamEntry({ name, endpoints, removed = false }: UpstreamRecord, version: number): RouteEntry {
  const entry = { version, removed, kind: 'upstream', key: name } as const;
  return removed ? entry : { ...entry, entity: { kind: 'upstream', name, endpoints } };
}
