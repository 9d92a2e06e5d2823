// Asks the registry about one host while the routes are not in sync: once for everybody, within a budget, remembered briefly.
import type { RegistryService } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import type { Clock, Logger } from '@burgage/runtime';
import { freshRate, takeRate } from '../domain/gcra.ts';
import { type RouteNames, RouteTable } from '../domain/route-table.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { readRouteEntry } from './route-entry.ts';

/** Questions a second for all hosts together: a scan of invented names must not become a load on the registry. */
const questionsPerSecond = 50;
/** How long an answer is believed, yes or no. */
const rememberMs = 2_000;
const rememberedMax = 1_000;

export interface HostResolver {
  /** A table of what the registry knows about this host alone, empty where it knows nothing; undefined where it cannot be asked. Never rejects. */
  resolve(host: string): Promise<RouteTable | undefined>;
}

export interface HostResolverOptions {
  readonly client: Pick<RpcClient<typeof RegistryService>, 'resolveHost'>;
  /** Of the tables that are served. */
  readonly names: RouteNames;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
}

export function createHostResolver({ client, names, timeoutMs, clock, logger, metrics }: HostResolverOptions): HostResolver {
  const budget = freshRate();
  const answers = new Map<string, { table: Promise<RouteTable | undefined>; untilMs: number }>();

  async function ask(host: string): Promise<RouteTable | undefined> {
    try {
      const table = new RouteTable(names);
      const response = await client.resolveHost({ host }, { timeoutMs });
      for (const message of [response.upstream, response.tenant, response.host]) {
        if (message !== undefined) table.apply(readRouteEntry(message));
      }
      metrics.resolves.inc({ outcome: table.hostCount > 0 ? 'found' : 'unknown' });
      return table;
    } catch (error) {
      metrics.resolves.inc({ outcome: 'failed' });
      logger.debug({ err: error }, 'host not resolved');
      // Only what the registry said is remembered.
      answers.delete(host);
      return undefined;
    }
  }

  return {
    async resolve(host) {
      const nowMs = clock.monotonicMs();
      const known = answers.get(host);
      if (known !== undefined && known.untilMs > nowMs) return known.table;
      if (takeRate(budget, questionsPerSecond, Math.floor(nowMs)) > 0) {
        metrics.resolves.inc({ outcome: 'over_budget' });
        return undefined;
      }
      const table = ask(host);
      answers.delete(host);
      answers.set(host, { table, untilMs: nowMs + timeoutMs + rememberMs });
      if (answers.size > rememberedMax) for (const oldest of answers.keys()) if (answers.delete(oldest)) break;
      return table;
    },
  };
}
