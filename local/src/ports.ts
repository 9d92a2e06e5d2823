// Loopback ports: whether one is free, and free ones that nobody uses yet.
import { createServer } from 'node:net';
import { fieldError } from '@burgage/contracts';
import { type Random, systemRandom } from '@burgage/runtime';

/** Binds and lets go again. */
async function tryPort(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** @throws BurgageError `port_taken` (port), or `config_invalid` (host or port) where this user may not listen there. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  try {
    await tryPort(host, port);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') throw fieldError('port_taken', 'port', `${host}:${port} is in use by another program`, error);
    if (code === 'EACCES')
      throw fieldError('config_invalid', 'port', `this user may not listen on port ${port}, expected one from 1024 on`, error);
    if (code === 'EADDRNOTAVAIL') throw fieldError('config_invalid', 'host', `got ${host}, expected an address of this machine`, error);
    throw error;
  }
}

/**
 * Below the ports that systems give to outgoing connections, and those of the lab: one that is free now is not the other end of
 * somebody's connection by the time that its process listens, or comes back.
 */
const range = { first: 10_000, count: 10_000 } as const;
const attempts = 50;

const given = new Set<string>();

/**
 * Whether nobody else was given the port: what is free now may be so only until the process listens that it was meant for. Linux
 * keeps such a name as long as this process lives, and no longer; elsewhere only this process remembers.
 */
async function claim(host: string, port: number): Promise<boolean> {
  const name = `burgage port ${host}:${port}`;
  if (given.has(name)) return false;
  given.add(name);
  if (process.platform !== 'linux') return true;
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ path: `\0${name}` }, () => {
      server.unref();
      resolve(true);
    });
  });
}

/** One that is given to nobody else while this process lives. @throws BurgageError `port_taken` where none is found. */
export async function freePort(host: string, random: Random = systemRandom): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = range.first + Math.floor(random.float() * range.count);
    if ((await claim(host, port)) && (await tryPort(host, port).catch(() => undefined))) return port;
  }
  throw fieldError('port_taken', 'port', `${attempts} ports of ${host} from ${range.first} on were tried, and none is free`);
}
