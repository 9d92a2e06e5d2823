// Loopback ports for servers: free at the moment, and no other server of a lab's even while its own is away.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Random } from '@burgage/runtime';
import { LabError } from './errors.ts';

/** A port that no other process with a lab takes until `release`, or until this process ends. */
export interface ClaimedPort {
  readonly port: number;
  release(): Promise<void>;
}

/** Below the ports that systems give to outgoing connections: one of those could meet itself while its server is away. */
const range = { first: 20_000, count: 10_000 } as const;
const attempts = 50;

/** `preferred` where it can be had, else another that can. */
export async function claimPort(host: string, random: Random, preferred?: number): Promise<ClaimedPort> {
  const others = Array.from({ length: attempts }, () => range.first + Math.floor(random.float() * range.count));
  for (const port of preferred === undefined ? others : [preferred, ...others]) {
    const claimed = await claim(host, port);
    if (claimed === undefined) continue;
    if (await isFree(host, port)) return claimed;
    await claimed.release();
  }
  throw new LabError(`no free port on ${host} found in ${attempts} attempts from ${range.first} to ${range.first + range.count - 1}`);
}

/** Whether a server could listen on it now. */
export async function isFree(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The claim is the UDP port of the same number: the kernel gives it to one process, and takes it back when that ends. */
async function claim(host: string, port: number): Promise<ClaimedPort | undefined> {
  return await new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(undefined);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.unref();
      resolve({ port, release: () => new Promise((released) => socket.close(() => released())) });
    });
  });
}
