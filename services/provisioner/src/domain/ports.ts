// What the steps of operations need from the outside: the registry's truth and one driver per kind of infrastructure.

export interface Fence {
  readonly operationId: string;
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

/** The registry, as far as operations change or read it. Every change carries the fence and is idempotent. */
export interface Tenants {
  get(tenantId: string, signal?: AbortSignal): Promise<TenantSummary>;
  /** Ids of tenants that wait for their first operation, oldest first. */
  requested(signal: AbortSignal): AsyncIterable<string>;
  beginProvisioning(tenantId: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Back from provisioning: the slug is free again. */
  fail(tenantId: string, reason: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Answers with the hosts. */
  putRoute(tenantId: string, upstream: string, fence: Fence, signal: AbortSignal): Promise<readonly string[]>;
  removeRoute(tenantId: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Answers with the revision of the routes that shows it. */
  activate(tenantId: string, fence: Fence, signal: AbortSignal): Promise<number>;
  /** Addresses of an upstream, host:port. */
  endpoints(upstream: string, signal: AbortSignal): Promise<readonly string[]>;
  /** How many connected gateways have applied `revision`, and how many have not. */
  gatewaysAt(revision: number, signal: AbortSignal): Promise<{ readonly applied: number; readonly behind: number }>;
}

/** A tenant's place in the vendor's app, over the app's lifecycle endpoints. Every call is idempotent. */
export interface TenantApp {
  /** Schema and the scope of the tenant's rows. */
  prepare(endpoint: string, tenant: TenantSummary, signal: AbortSignal): Promise<void>;
  remove(endpoint: string, tenantId: string, signal: AbortSignal): Promise<void>;
  putOwner(endpoint: string, tenantId: string, email: string, signal: AbortSignal): Promise<void>;
  removeOwner(endpoint: string, tenantId: string, signal: AbortSignal): Promise<void>;
  /** A fresh one-time link for the owner, as a path below the tenant's address. */
  inviteOwner(endpoint: string, tenantId: string, signal: AbortSignal): Promise<string>;
  /** Resolves when the app serves this tenant. @throws BurgageError `app_unhealthy`. */
  checkReady(endpoint: string, tenant: TenantSummary, signal: AbortSignal): Promise<void>;
}

/** What a driver answers: what it made, or that this kind of infrastructure has nothing to make. */
export type Provided = { readonly needed: true; readonly detail: string } | { readonly needed: false; readonly reason: string };

/** Databases that tenants' rows live in. */
export interface Databases {
  ensure(tenant: TenantSummary): Promise<Provided>;
}

/** A folder, or what stands for one, per tenant. */
export interface Files {
  ensure(tenantId: string): Promise<Provided>;
  remove(tenantId: string): Promise<void>;
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
  readonly databases: Databases;
  readonly files: Files;
  readonly certificates: Certificates;
  readonly dns: Dns;
  readonly mail: Mail;
  /** The address of a tenant, for people: `http://acme.localhost:8080`. */
  readonly urlOf: (slug: string) => string;
}
