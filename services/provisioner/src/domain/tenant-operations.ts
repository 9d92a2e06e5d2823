// The one document a tenant has here: its queue of operations, the running one, and the lease of the worker that runs it.
import type { DocumentType } from '@burgage/store';
import { hasEnded, isOver, type Operation, type OperationKind } from './operation.ts';

/** A worker's claim on a tenant. Whoever writes under an older token than the document's has lost it. */
export interface Lease {
  /** The worker's name: the same after a restart, never shared by two that live. */
  readonly worker: string;
  /** New at every start of the worker. */
  readonly boot: string;
  /** RFC 3339. */
  readonly until: string;
}

export interface TenantOperations {
  readonly tenantId: string;
  /** Operations that have not ended well or in failure, oldest first; only the first is worked on, and none behind one that needs a person. */
  readonly queue: readonly Operation[];
  /** The operation that ended last, until the next one ends. */
  readonly last?: Operation;
  readonly lease?: Lease;
  /** Grows with every intent: what an earlier attempt still does carries a lower one. */
  readonly fencingToken: number;
}

/** 0 sorts first; an ISO time in milliseconds. */
const timeOf = (iso: string): number => Date.parse(iso);

/** Names one version of one kind of operation: `provision@1`. */
export function definitionNameOf(kind: OperationKind, version: number): string {
  return `${kind}@${version}`;
}

export const tenantOperationsType: DocumentType<TenantOperations> = {
  name: 'tenant_operations',
  schemaVersion: 1,
  indexes: {
    /** When a worker may take it: the next attempt is due and no lease stands. Nothing to do: not in the index. */
    claimableAt: (value) => {
      const [next] = value.queue;
      if (!next || hasEnded(next)) return undefined;
      return Math.max(timeOf(next.dueAt), value.lease ? timeOf(value.lease.until) : 0);
    },
    /** What a worker must know to carry out what comes next. */
    nextDefinition: (value) => value.queue[0] && definitionNameOf(value.queue[0].kind, value.queue[0].definitionVersion),
    leaseWorker: (value) => value.lease?.worker,
  },
};

/** An operation as lists show it. Written when it is created and when it ends; in between the tenant's document knows more. */
export interface OperationListing {
  readonly operation: Operation;
}

export const operationListingType: DocumentType<OperationListing> = {
  name: 'operations',
  schemaVersion: 1,
  indexes: {
    createdAt: (value) => value.operation.createdAt,
    tenantId: (value) => value.operation.tenantId,
  },
};

/** Every type of document that the provisioner stores. */
export const documentTypes = [tenantOperationsType, operationListingType] as const;

export function emptyTenantOperations(tenantId: string): TenantOperations {
  return { tenantId, queue: [], fencingToken: 0 };
}

/** The operation of that id, where the document still has it. */
export function operationIn(value: TenantOperations, operationId: string): Operation | undefined {
  return [...value.queue, ...(value.last ? [value.last] : [])].find((operation) => operation.id === operationId);
}

/**
 * The document with `operation` in the place of the one at the head of the queue; off the queue once it is over. The next
 * one is due from `at` on and not before, so that a tenant with many waits behind tenants that have waited longer.
 */
export function withHead(value: TenantOperations, operation: Operation, at: string): TenantOperations {
  const [, next, ...rest] = value.queue;
  if (!isOver(operation)) return { ...value, queue: [operation, ...(next ? [next] : []), ...rest] };
  const queue = next ? [{ ...next, dueAt: timeOf(next.dueAt) > timeOf(at) ? next.dueAt : at }, ...rest] : [];
  return { ...value, queue, last: operation };
}

/** The document with `operation` in the place of the one of its id that waits in the queue; off the queue once it is over. */
export function withQueued(value: TenantOperations, operation: Operation, at: string): TenantOperations {
  if (value.queue[0]?.id === operation.id) return withHead(value, operation, at);
  const queue = value.queue.flatMap((queued) => (queued.id === operation.id ? (isOver(operation) ? [] : [operation]) : [queued]));
  return { ...value, queue };
}

export function withoutLease({ lease: _, ...value }: TenantOperations): TenantOperations {
  return value;
}

/** True while `lease` is the claim that stands. */
export function holdsLease(value: TenantOperations, worker: string, boot: string, fencingToken: number): boolean {
  return value.fencingToken === fencingToken && value.lease?.worker === worker && value.lease.boot === boot;
}
