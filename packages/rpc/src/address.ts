// Where servers listen and clients find them: Unix sockets, TCP ports, and several replicas behind one name.
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import { type BurgageError, fieldError } from '@burgage/contracts';

/** Where a server listens. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Where a client finds its server, or the replicas of it. */
export interface Target {
  readonly kind: Address['kind'];
  /** As grpc-js takes it. */
  readonly uri: string;
  /** As people write it. */
  readonly text: string;
}

/** What the address of a Unix socket holds: 108 bytes with the closing zero on Linux, 104 elsewhere. */
const socketPathBytesMax = process.platform === 'linux' ? 107 : 103;

/** Reads `unix:/path` or `host:port`. @throws BurgageError `config_invalid`. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) return parseUnix(text);
  const address = parseTcp(text);
  if (address === undefined) throw invalid(text, 'unix:/path or host:port');
  return address;
}

/** As people write it. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Reads `unix:/path`, `host:port`, `dns:///name:port` (every address that the name has), or several replicas by their IP
 * addresses: `10.0.0.1:9000,10.0.0.2:9000`. @throws BurgageError `config_invalid`.
 */
export function parseTarget(text: string): Target {
  const parts = text.split(',');
  // The path of a Unix socket may have commas of its own.
  const isList = text.startsWith('unix:') ? parts.slice(1).some((part) => /^unix:|^dns:|:\d+$/.test(part)) : parts.length > 1;
  if (isList) return parseReplicas(text, parts);
  if (text.startsWith('unix:')) return { kind: 'unix', uri: formatAddress(parseUnix(text)), text };
  const address = parsePort(text, text.startsWith(dnsStart) ? text.slice(dnsStart.length) : text);
  const family = isIP(address.host);
  return { kind: 'tcp', uri: `${family === 0 ? dnsStart : `ipv${family}:`}${formatAddress(address)}`, text };
}

const dnsStart = 'dns:///';

function parseReplicas(text: string, parts: readonly string[]): Target {
  const expected = 'IP addresses with ports and commas between, such as 10.0.0.1:9000,10.0.0.2:9000';
  const uris = parts.map((part) => {
    if (part.startsWith('unix:') || part.startsWith(dnsStart)) throw invalid(text, `one kind of address; in a list ${expected}`);
    const address = parsePort(text, part);
    if (isIP(address.host) === 0)
      throw invalid(text, `${expected}, not the name ${address.host}; ${dnsStart}NAME:PORT finds all replicas of a name`);
    return { family: isIP(address.host), uri: formatAddress(address) };
  });
  const [first] = uris;
  if (first === undefined || uris.some(({ family }) => family !== first.family)) throw invalid(text, `${expected}, all IPv4 or all IPv6`);
  const again = uris.find(({ uri }, index) => uris.findIndex((other) => other.uri === uri) !== index);
  if (again !== undefined) throw invalid(text, `each replica once; ${again.uri} is there twice`);
  return { kind: 'tcp', uri: `ipv${first.family}:${uris.map(({ uri }) => uri).join(',')}`, text };
}

function parsePort(text: string, part: string): Address & { kind: 'tcp' } {
  const address = parseTcp(part);
  if (address === undefined || address.port === 0) {
    throw invalid(
      text,
      `unix:/path, host:port with a port from 1 to 65535, or several with commas between${part === text ? '' : `; not ${JSON.stringify(part)}`}`,
    );
  }
  return address;
}

function parseTcp(text: string): (Address & { kind: 'tcp' }) | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/,\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) return undefined;
  return { kind: 'tcp', host, port };
}

function parseUnix(text: string): Address & { kind: 'unix' } {
  const path = text.slice('unix:'.length);
  if (!path.startsWith('/')) throw invalid(text, 'an absolute path after unix:');
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw invalid(
      text,
      `a path of at most ${socketPathBytesMax} bytes (this one has ${Buffer.byteLength(path)}): use a folder nearer to the root`,
    );
  }
  return { kind: 'unix', path };
}

/**
 * Makes the path of a Unix socket free: a socket file that a dead process left is removed.
 * @throws BurgageError `port_taken` where somebody listens there, or where the file is not a socket.
 */
export async function claimSocketPath(path: string): Promise<void> {
  const file = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw fieldError('config_invalid', 'address', `unix:${path} cannot be looked at (${error.code})`, error);
  });
  if (file === undefined) return;
  if (!file.isSocket()) throw fieldError('port_taken', 'address', `unix:${path} is a file that is not a socket; it is left alone`);
  if (await isListening(path)) throw fieldError('port_taken', 'address', `another process listens on unix:${path}`);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Only the owner of the process may connect. */
export async function closeSocketToOthers(path: string): Promise<void> {
  await chmod(path, 0o600);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const answer = (listening: boolean) => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => answer(true));
    // Refused means that nobody holds it. Anything else, such as a full queue or no permission, means that somebody may.
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'));
  });
}

/** What a TCP address without an identity gets: nothing listens or connects openly, on the loopback either. */
export function unprotected(text: string): BurgageError {
  return invalid(text, 'unix:/path where --tls-ca, --tls-cert and --tls-key are missing: over TCP both sides prove who they are');
}

function invalid(text: string, expected: string): BurgageError {
  return fieldError('config_invalid', 'address', `${JSON.stringify(text)} is not valid: expected ${expected}`);
}
