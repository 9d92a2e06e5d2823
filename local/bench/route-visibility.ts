// From the registry's commit of a route change to the gateway answering by it.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RegistryService } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import { type Figure, percentile } from './figures.ts';
import { send } from './sign-ups.ts';

/** A reserved label that nothing else uses here. */
const label = 'status';
const upstream = 'bench';
const giveUpAfterMs = 5_000;

/** An app that answers `text`, whatever it is asked. */
export async function backend(text: string): Promise<{ server: Server; address: string }> {
  const server = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export interface Visibility {
  readonly registry: Pick<RpcClient<typeof RegistryService>, 'putUpstream' | 'putPlatformRoute'>;
  /** Of the gateways: a change is visible when all answer by it. */
  readonly ports: readonly number[];
  readonly changes: number;
}

/**
 * Moves an upstream to and fro between two backends; measures from the registry's answer to the first answer of the new
 * one. `host` is the address that led there.
 */
export async function routeVisibility({
  registry,
  ports,
  changes,
}: Visibility): Promise<{ readonly host: string; readonly figures: readonly Figure[] }> {
  const backends = [await backend('0'), await backend('1')];
  const point = async (to: number): Promise<void> => {
    await registry.putUpstream({ name: upstream, endpoints: [{ address: backends[to]?.address ?? '' }] });
  };
  const tookMs: number[] = [];
  try {
    await point(0);
    const { host } = await registry.putPlatformRoute({ label, upstream });
    const answersOn = async (port: number, to: number): Promise<void> => {
      const startedMs = performance.now();
      while ((await send(port, host, '/')).body !== String(to)) {
        if (performance.now() - startedMs > giveUpAfterMs) throw new Error(`the gateway did not follow within ${giveUpAfterMs} ms`);
      }
    };
    const answers = async (to: number): Promise<void> => void (await Promise.all(ports.map((port) => answersOn(port, to))));
    await answers(0);
    for (let change = 1; change <= changes; change += 1) {
      await point(change % 2);
      const committedMs = performance.now();
      await answers(change % 2);
      tookMs.push(performance.now() - committedMs);
    }
    return {
      host,
      figures: [
        { what: `commit to gateway answering, median of ${changes}`, value: percentile(tookMs, 0.5), unit: 'ms' },
        { what: `commit to gateway answering, p99 of ${changes}`, value: percentile(tookMs, 0.99), unit: 'ms', atMost: 100 },
      ],
    };
  } finally {
    for (const { server } of backends) server.close().closeAllConnections();
  }
}
