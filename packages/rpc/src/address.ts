// Where a server listens: a Unix socket or a TCP port.
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import { BurgageError } from '@burgage/contracts';

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** What the address of a Unix socket holds: 108 bytes with the closing zero on Linux, 104 elsewhere. */
const socketPathBytesMax = process.platform === 'linux' ? 107 : 103;

/** Reads `unix:/path` or `host:port`. @throws BurgageError `config_invalid`. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) {
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
  const match = /^(?:\[([^\]]+)\]|([^:[\]/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) throw invalid(text, 'unix:/path or host:port');
  return { kind: 'tcp', host, port };
}

/** As grpc-js takes it, for servers and clients alike. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Makes the path of a Unix socket free: a socket file that a dead process left is removed.
 * @throws BurgageError `port_taken` where somebody listens there, or where the file is not a socket.
 */
export async function claimSocketPath(path: string): Promise<void> {
  const file = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new BurgageError('config_invalid', { message: `unix:${path} cannot be looked at (${error.code}).`, cause: error });
  });
  if (file === undefined) return;
  if (!file.isSocket()) throw new BurgageError('port_taken', { message: `unix:${path} is a file that is not a socket; it is left alone.` });
  if (await isListening(path)) throw new BurgageError('port_taken', { message: `Another process listens on unix:${path}.` });
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

function invalid(text: string, expected: string): BurgageError {
  const description = `${JSON.stringify(text)} is not valid: expected ${expected}`;
  return new BurgageError('config_invalid', { message: `address: ${description}`, fields: [{ field: 'address', description }] });
}
