// What the steps of several operations share: calls within the platform, seats of tenants, waiting for gateways.
import { BurgageError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { Isolation } from '@burgage/tenancy';
import { done, notNeeded, type RetryPolicy, type StepResult } from '../definition.ts';
import type { AppAddress, Infrastructure, Provided, Seat, TenantStanding, TenantSummary } from '../ports.ts';

export const hourMs = 60 * 60_000;

/** Calls within the platform: short, and tried for most of a minute where they fail at once. */
export const platformCall = { timeoutMs: 5_000, retry: { attemptsMax: 16, backoffMs: 100, backoffMaxMs: 10_000 } } as const;
/** A process of its own may take some seconds to begin, or fail to: tried for about a minute. */
export const processStart = { timeoutMs: 20_000, retry: { attemptsMax: 8, backoffMs: 500, backoffMaxMs: 10_000 } } as const;
/** All rows of a tenant are read or written: long, and begun anew a few times; an app that is being started again is waited for. */
export const bulkCopy = { timeoutMs: 30 * 60_000, retry: { attemptsMax: 8, backoffMs: 500, backoffMaxMs: 10_000 } } as const;
/** All rows of a tenant go, a little at a time. What goes in an attempt that is cut off stays gone: the next one carries on. */
export const bulkRemoval = { ...platformCall, timeoutMs: 60_000 } as const;
/** An app may still be starting: asked often at first, for about a minute. */
export const healthRetry: RetryPolicy = { attemptsMax: 25, backoffMs: 100, backoffMaxMs: 5_000 };

/** How long a step waits for the gateways to show a change. */
const gatewaysWaitMs = 2_000;
/** Between two looks at them: mostly the first finds what it looks for; a gateway that is away must not be asked for all the time. */
const gatewaysPauseMsMax = 160;

export interface KitOptions {
  readonly infrastructure: Infrastructure;
  /** The upstream that serves tenants in the shared app. */
  readonly sharedUpstream: string;
  readonly clock: Clock;
}

export type Kit = ReturnType<typeof createKit>;

/** A tenant's summary as it is frozen into operations. */
export type FrozenTenant = { readonly [Field in keyof TenantSummary]: string };

export function frozenTenant({ id, slug, company, plan, isolation, state, ownerEmail, color }: TenantSummary): FrozenTenant {
  return { id, slug, company, plan, isolation, state, ownerEmail, color };
}

/** Names the process of its own that a tenant has, and its upstream. */
export function instanceNameOf(tenantId: string): string {
  return `${tenantId.toLowerCase()}-silo`;
}

/** The tenant whose instance has that name; undefined where the name does not say. */
export function tenantOfInstance(name: string): string | undefined {
  const id = /^(ten_[0-9a-z]{26})-silo$/.exec(name)?.[1];
  const tenantId = id && `ten_${id.slice(4).toUpperCase()}`;
  return tenantId && instanceNameOf(tenantId) === name ? tenantId : undefined;
}

export function resultOf(provided: Provided): StepResult {
  return provided.needed ? done(provided.detail) : notNeeded(provided.reason);
}

export function createKit({ infrastructure, sharedUpstream, clock }: KitOptions) {
  const { tenants } = infrastructure;

  function seatOf(tenantId: string, isolation: string): Seat {
    switch (isolation as Isolation) {
      case 'pool':
        return { upstream: sharedUpstream, place: 'pool' };
      case 'bridge':
        return { upstream: sharedUpstream, place: 'own' };
      case 'silo':
        return { upstream: instanceNameOf(tenantId), place: 'own' };
      default:
        throw new BurgageError('internal', { cause: new Error(`got the isolation ${isolation}, expected pool, bridge or silo`) });
    }
  }

  async function addressOf(tenantId: string, isolation: string, signal: AbortSignal): Promise<AppAddress> {
    const seat = seatOf(tenantId, isolation);
    const [address] = await tenants.endpoints(seat.upstream, signal);
    if (!address) throw new BurgageError('no_endpoint', { message: `The upstream ${seat.upstream} has no endpoint.` });
    return { ...seat, address };
  }

  /** Waits, within bounds, until every connected gateway shows `revision`. Not knowing is no reason to fail. */
  async function gatewaysShow(revision: number, signal: AbortSignal): Promise<boolean> {
    const giveUpAtMs = clock.monotonicMs() + gatewaysWaitMs;
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, gatewaysPauseMsMax)) {
      const gateways = await tenants.gatewaysAt(revision, signal).catch(() => undefined);
      if (gateways && gateways.behind === 0 && gateways.applied > 0) return true;
      if (clock.monotonicMs() >= giveUpAtMs || signal.aborted) return false;
      await clock.sleep(pauseMs, signal);
    }
  }

  /** What a change of the routes is said to have come to: gateways that lag catch up by themselves. */
  async function shown(revision: number, signal: AbortSignal): Promise<string> {
    const all = await gatewaysShow(revision, signal);
    return all ? `routes at revision ${revision}` : `routes at revision ${revision}; a gateway is still catching up`;
  }

  /**
   * Resolves when every connected gateway shows `revision`: for what must not be taken away while one still sends there.
   * @throws BurgageError `unavailable`.
   */
  async function shownByAll(revision: number, signal: AbortSignal): Promise<void> {
    if (await gatewaysShow(revision, signal)) return;
    throw new BurgageError('unavailable', { message: `Not every gateway follows the routes up to revision ${revision} yet.` });
  }

  /** The tenant as it is now, where it is active. @throws BurgageError `transition_not_allowed`. */
  async function active(tenantId: string, wanted: string, signal: AbortSignal): Promise<TenantStanding> {
    const tenant = await tenants.get(tenantId, signal);
    if (tenant.state !== 'active')
      throw notAllowed(`The tenant is ${tenant.state}; only an active one can be ${wanted}.`, { state: tenant.state });
    return tenant;
  }

  return { seatOf, addressOf, shown, shownByAll, active };
}

export function notAllowed(message: string, metadata: Readonly<Record<string, string>> = {}): BurgageError {
  return new BurgageError('transition_not_allowed', { message, metadata });
}
