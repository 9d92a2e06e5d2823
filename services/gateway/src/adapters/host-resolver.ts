// Asks the registry about one host while the routes are not in sync: once for everybody, within a budget, remembered briefly.
import type { RegistryService } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import type { Clock, Logger } from '@burgage/runtime';
import { freshRate, takeRate } from '../domain/gcra.ts';
import { type ResolvedHost, type RouteNames, RouteTable } from '../domain/route-table.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { readRouteEntry } from './route-entry.ts';

/** Questions a second for all hosts together: a scan of invented names must not become a load on the registry. */
const questionsPerSecond = 50;
/** How long an answer is believed at most, yes or no, besides the time that a question may take. */
const rememberMs = 2_000;

export interface HostResolver {
  /** Undefined where the registry cannot be asked. Never rejects. */
  resolve(host: string): Promise<ResolvedHost | undefined>;
}

/** Answers of about one time, in one table: a table has rows for all names that the gateway knows, and a million are not made for each host. */
interface Answers {
  readonly table: RouteTable;
  readonly byHost: Map<string, Promise<ResolvedHost | undefined>>;
  readonly untilMs: number;
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
  let answers: Answers | undefined;

  async function ask(host: string, { table, byHost }: Answers): Promise<ResolvedHost | undefined> {
    try {
      const response = await client.resolveHost({ host }, { timeoutMs });
      const entries = [response.upstream, response.tenant, response.host].flatMap((message) => message ?? []).map(readRouteEntry);
      for (const entry of entries) table.apply(entry);
      const route = entries.at(-1)?.entity;
      metrics.resolves.inc({ outcome: route?.kind === 'host' ? 'found' : 'unknown' });
      return { table, tenant: route?.kind === 'host' ? table.tenant(route.tenantId) : undefined };
    } catch (error) {
      metrics.resolves.inc({ outcome: 'failed' });
      logger.debug({ err: error }, 'host not resolved');
      // Only what the registry said is remembered.
      byHost.delete(host);
      return undefined;
    }
  }

  return {
    async resolve(host) {
      const nowMs = clock.monotonicMs();
      if (answers === undefined || answers.untilMs <= nowMs) {
        answers = { table: new RouteTable(names), byHost: new Map(), untilMs: nowMs + timeoutMs + rememberMs };
      }
      const known = answers.byHost.get(host);
      if (known !== undefined) return known;
      if (takeRate(budget, questionsPerSecond, Math.floor(nowMs)) > 0) {
        metrics.resolves.inc({ outcome: 'over_budget' });
        return undefined;
      }
      const asked = ask(host, answers);
      answers.byHost.set(host, asked);
      return asked;
    },
  };
}
