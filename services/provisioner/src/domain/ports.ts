// What the steps of operations need from the outside: the registry's truth and one driver per kind of infrastructure.
import type { Hold, Isolation } from '@burgage/tenancy';

/** Who writes: a driver refuses (`fenced`, `metadata.seen`) whoever comes with a lower token than it has seen for the tenant. */
export interface Fence {
  readonly operationId: string;
  /** Grows with every attempt at a step of the tenant's operations. */
  readonly token: number;
}

/** The tenant as an operation needs it. */
export interface TenantSummary {
  readonly id: string;
  readonly slug: string;
  readonly company: string;
  readonly plan: string;
  readonly isolation: string;
  readonly state: string;
  readonly ownerEmail: string;
  readonly color: string;
}

/** More of it: what decides whether an operation may begin, and what is reconciled. */
export interface TenantStanding extends TenantSummary {
  readonly holds: readonly string[];
  readonly upstream: string;
  readonly hosts: readonly string[];
  readonly moving: boolean;
  /** The operation that moved it last. */
  readonly operationId: string;
  /** What its plan gives it between the request to close it and the removal of its data. */
  readonly graceDays: number;
}

/** The registry, as far as operations change or read it. Every change carries the fence and is idempotent. */
export interface Tenants {
  /** By id or slug. */
  get(tenant: string, signal?: AbortSignal): Promise<TenantStanding>;
  /** Ids of tenants that wait for their first operation, oldest first. */
  requested(signal: AbortSignal): AsyncIterable<string>;
  /** Every tenant, oldest first. */
  all(signal: AbortSignal): AsyncIterable<TenantStanding>;
  beginProvisioning(tenantId: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Back from provisioning: the slug is free again. */
  fail(tenantId: string, reason: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Has the upstream serve the tenant. Answers with its hosts, and the revision of the routes that shows it. */
  putRoute(
    tenantId: string,
    place: { readonly upstream: string; readonly isolation: Isolation },
    fence: Fence,
    signal: AbortSignal,
  ): Promise<{ readonly hosts: readonly string[]; readonly revision: number }>;
  /** Every change below answers with the revision of the routes that shows it. */
  removeRoute(tenantId: string, fence: Fence, signal: AbortSignal): Promise<number>;
  activate(tenantId: string, fence: Fence, signal: AbortSignal): Promise<number>;
  addHold(tenantId: string, hold: Hold, fence: Fence, signal: AbortSignal): Promise<number>;
  liftHold(tenantId: string, hold: Hold, fence: Fence, signal: AbortSignal): Promise<number>;
  /** @throws BurgageError `unknown_plan` where its catalog has no such plan. */
  checkPlan(tenantId: string, plan: string, signal?: AbortSignal): Promise<void>;
  changePlan(tenantId: string, plan: string, fence: Fence, signal: AbortSignal): Promise<number>;
  setMoving(tenantId: string, moving: boolean, fence: Fence, signal: AbortSignal): Promise<number>;
  beginTerminating(tenantId: string, fence: Fence, signal: AbortSignal): Promise<number>;
  terminated(tenantId: string, fence: Fence, signal: AbortSignal): Promise<number>;
  putUpstream(name: string, address: string, fence: Fence, signal: AbortSignal): Promise<number>;
  /** Where there is none, it keeps earlier fences from making it. */
  removeUpstream(name: string, fence: Fence, signal: AbortSignal): Promise<number>;
  /** Every upstream with its addresses. */
  upstreams(signal: AbortSignal): AsyncIterable<{ readonly name: string; readonly addresses: readonly string[] }>;
  /** Addresses of an upstream, host:port. @throws BurgageError `upstream_not_found`. */
  endpoints(upstream: string, signal: AbortSignal): Promise<readonly string[]>;
  /** How many connected gateways have applied `revision`, and how many have not. */
  gatewaysAt(revision: number, signal: AbortSignal): Promise<{ readonly applied: number; readonly behind: number }>;
}

/** Where a tenant's rows are: in the app that serves an upstream, in the database that tenants share there or in one of their own. */
export interface Seat {
  readonly upstream: string;
  readonly place: 'pool' | 'own';
}

/** Of one table: how many rows, and a hash over all of them in order. */
export interface TableDigest {
  readonly rows: number;
  readonly hash: string;
}

/** By table. Two seats hold the same when their digests are equal. */
export type Digest = Readonly<Record<string, TableDigest>>;

/** What an app has of a tenant at one place. */
export interface SeatHolding {
  readonly tenantId: string;
  readonly place: 'pool' | 'own';
  readonly frozen: boolean;
  /** Only a part of its rows may be there, and nobody sees any: they are being replaced or removed, or that broke off. */
  readonly unfinished?: boolean;
}

/**
 * The vendor's app, over its lifecycle endpoints. Every call is idempotent. `address` is an endpoint of the seat's
 * upstream, host:port.
 */
export interface TenantApp {
  /** Schema and the scope of the tenant's rows. What a restore or a removal that broke off has left there goes first. */
  prepare(at: AppAddress, tenant: TenantSummary, fence: Fence, signal: AbortSignal): Promise<void>;
  remove(at: AppAddress, tenantId: string, fence: Fence, signal: AbortSignal): Promise<void>;
  putOwner(at: AppAddress, tenantId: string, email: string, fence: Fence, signal: AbortSignal): Promise<void>;
  removeOwner(at: AppAddress, tenantId: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** A fresh one-time link for the owner, as a path below the tenant's address. */
  inviteOwner(at: AppAddress, tenantId: string, fence: Fence, signal: AbortSignal): Promise<string>;
  /** Resolves when the app serves this tenant. @throws BurgageError `app_unhealthy`. */
  checkReady(at: AppAddress, tenant: TenantSummary, signal: AbortSignal): Promise<void>;
  /** From here on every write of the tenant's rows is refused there, whoever holds which token; reads go on. */
  freeze(at: AppAddress, tenantId: string, reason: string, fence: Fence, signal: AbortSignal): Promise<void>;
  thaw(at: AppAddress, tenantId: string, fence: Fence, signal: AbortSignal): Promise<void>;
  digest(at: AppAddress, tenantId: string, signal: AbortSignal): Promise<Digest>;
  /** Every row, as one snapshot. */
  archive(at: AppAddress, tenantId: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Replaces every row, and leaves the tenant frozen there. Answers with what was read back. One that breaks off in the pool can leave a
   * tenant there that nobody sees any rows of, neither the old ones nor the new: until it is restored again, prepared or removed.
   */
  restore(at: AppAddress, tenantId: string, archive: AsyncIterable<Uint8Array>, fence: Fence, signal: AbortSignal): Promise<Digest>;
  /** What an archive holds, whole. @throws BurgageError `data_corrupt` where it is no archive, or not whole. */
  digestOfArchive(archive: AsyncIterable<Uint8Array>): Promise<Digest>;
  /** Everything that the app has of any tenant, by tenant id, from the first id behind `after` on. */
  holdings(at: Pick<AppAddress, 'upstream' | 'address'>, signal: AbortSignal, after?: string): AsyncIterable<SeatHolding>;
}

export interface AppAddress extends Seat {
  /** host:port. */
  readonly address: string;
}

/** What a driver answers: what it made, or that this kind of infrastructure has nothing to make. */
export type Provided = { readonly needed: true; readonly detail: string } | { readonly needed: false; readonly reason: string };

/** A process of its own for one tenant. */
export interface Instance {
  /** One per tenant and never of two: also the name of its upstream. */
  readonly name: string;
  readonly tenantId: string;
}

export type InstanceState = 'starting' | 'running' | 'backing_off' | 'stopped';

export interface InstanceStatus extends Instance {
  readonly state: InstanceState;
  /** host:port; empty of one that is not wanted and has only left its data. */
  readonly address: string;
  /** How often it was started again since it last ran well. */
  readonly restarts: number;
  /** How it ended last, in words; empty where it has not. */
  readonly lastExit: string;
}

/** Processes, or what stands for them. */
export interface Compute {
  /**
   * Makes the instance where it is missing, and has it run. Resolves when it answers. @throws BurgageError
   * `app_unhealthy` while it does not.
   */
  ensure(instance: Instance, fence: Fence, signal: AbortSignal): Promise<{ readonly address: string; readonly detail: string }>;
  /** Stops it and removes all that it has, its data too. Its address is kept from others until `release`. */
  remove(name: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Its address may be given to others. */
  release(name: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** What is wanted, keeps its address, or has left data. */
  list(signal: AbortSignal): Promise<readonly InstanceStatus[]>;
}

/** Databases that tenants' rows live in. */
export interface Databases {
  ensure(tenant: TenantSummary, isolation: Isolation): Promise<Provided>;
}

/** A folder, or what stands for one, per tenant. */
export interface Files {
  ensure(tenantId: string, fence: Fence): Promise<Provided>;
  remove(tenantId: string, fence: Fence): Promise<void>;
  /** Ids of tenants that have one. */
  list(): Promise<readonly string[]>;
}

/** Copies of tenants' rows that outlive the tenants, encrypted. */
export interface Archives {
  /** Durable when it resolves; a name that is there is replaced. Answers with the bytes that were kept. */
  write(
    name: string,
    source: AsyncIterable<Uint8Array>,
    fence: Fence,
    tenantId: string,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number }>;
  /** What was written. @throws BurgageError `not_found`, `data_corrupt` where a byte is another one. */
  read(name: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** One that is not there is no error. */
  remove(name: string, fence: Fence, tenantId: string): Promise<void>;
}

export interface Certificates {
  ensure(host: string): Promise<Provided>;
}

export interface Dns {
  ensure(host: string): Promise<Provided>;
}

export interface Mail {
  /** Sends, or replaces what was sent under the same id. */
  send(id: string, message: { readonly to: string; readonly subject: string; readonly text: string }): Promise<Provided>;
}

/** Everything the steps need, in one place. */
export interface Infrastructure {
  readonly tenants: Tenants;
  readonly app: TenantApp;
  readonly compute: Compute;
  readonly databases: Databases;
  readonly files: Files;
  readonly archives: Archives;
  readonly certificates: Certificates;
  readonly dns: Dns;
  readonly mail: Mail;
  /** The address of a tenant, for people: `http://acme.localhost:8080`. */
  readonly urlOf: (slug: string) => string;
}
