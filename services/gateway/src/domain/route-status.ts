// What the gateway says about its routes: to operators, to /readyz, and in the log.
import type { RouteSource } from './explain.ts';
import type { SharesStatus } from './limit-shares.ts';
import type { Position, RouteFollower } from './route-follower.ts';

/** The answer of `GET /routes/status`; plain JSON. */
export interface RouteStatus {
  readonly source: RouteSource;
  readonly epoch: string;
  readonly revision: number;
  readonly inSync: boolean;
  /** Seconds without the registry; absent while it is connected, and where there is none. */
  readonly disconnectedSeconds?: number;
  /** The registry's newest revision, as last heard on this connection. */
  readonly head?: Position;
  readonly hosts: number;
  readonly tenants: number;
  readonly upstreams: number;
  /** When the table that came from disk was saved. */
  readonly savedAt?: string;
  readonly snapshotHeld: boolean;
  /** Hosts that lead to an app now and would not with the held snapshot. */
  readonly heldRemoval?: number;
  /** How limits are shared with other gateways; absent while this one was not told of any other. */
  readonly limitShares?: SharesStatus;
  /** The same in one sentence. */
  readonly sentence: string;
}

export interface StatusFacts {
  readonly follower: RouteFollower;
  readonly source: RouteSource;
  readonly savedAt: Date | undefined;
  readonly now: Date;
  /** Absent while connected. */
  readonly disconnectedMs: number | undefined;
  readonly limitShares?: SharesStatus;
}

export function routeStatus({ follower, source, savedAt, now, disconnectedMs, limitShares }: StatusFacts): RouteStatus {
  const { table, position, head, heldRemoval } = follower;
  const disconnectedSeconds = disconnectedMs === undefined ? undefined : Math.round(disconnectedMs / 1000);
  const inSync = source === 'file' || follower.caughtUp;
  return {
    source,
    epoch: position.epoch,
    revision: position.revision,
    inSync,
    ...(disconnectedSeconds !== undefined && { disconnectedSeconds }),
    ...(head && { head }),
    hosts: table.hostCount,
    tenants: table.tenantCount,
    upstreams: table.upstreamCount,
    ...(source === 'disk' && savedAt && { savedAt: savedAt.toISOString() }),
    snapshotHeld: follower.snapshotHeld,
    ...(heldRemoval && { heldRemoval: heldRemoval.removed }),
    ...(limitShares && limitShares.gateways > 1 && { limitShares }),
    sentence: sentence(),
  };

  function sentence(): string {
    const revision = `revision ${position.revision}`;
    if (heldRemoval !== undefined) {
      const { removed, hosts } = heldRemoval;
      return `A snapshot is held with which ${removed} of ${hosts} hosts would lead to no app any more; ${revision} is served.`;
    }
    switch (source) {
      case 'file':
        return `${table.hostCount} hosts from the route file.`;
      case 'none':
        return 'No routes yet: the registry has not been reached.';
      case 'disk':
        return `Serving from disk: ${revision}, saved ${ageOf(savedAt, now)}; the registry has not been reached.`;
      case 'registry':
        if (inSync) return `In sync with the registry at ${revision}.`;
        return disconnectedSeconds === undefined
          ? `Catching up with the registry; ${revision} is served.`
          : `The registry has not been reached for ${disconnectedSeconds} s; ${revision} is served.`;
      default:
        throw new TypeError(`unknown source ${String(source satisfies never)}`);
    }
  }
}

function ageOf(savedAt: Date | undefined, now: Date): string {
  if (savedAt === undefined) return 'at an unknown time';
  return `${Math.max(0, Math.round((now.getTime() - savedAt.getTime()) / 1000))} s ago`;
}
