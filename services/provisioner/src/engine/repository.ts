// Reads and writes the operations of tenants; each change of one is a single compare-and-set with what follows in its outbox.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { outboxEvent } from '@burgage/events';
import { type Clock, Doorbell, type Logger, type Random } from '@burgage/runtime';
import { createOutboxRelay, type Documents, type Json, type OutboxItem, type Store, type Stored } from '@burgage/store';
import { hasEnded, type Operation, sequenceOf } from '../domain/operation.ts';
import {
  emptyTenantOperations,
  type OperationListing,
  operationIn,
  operationListingType,
  type TenantOperations,
  tenantOperationsType,
} from '../domain/tenant-operations.ts';

const casAttemptsMax = 50;

export interface RepositoryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Publishes the events of outboxes. */
  readonly publish: (items: readonly OutboxItem[]) => Promise<void>;
}

export interface OperationsPage {
  readonly operations: readonly Operation[];
  readonly nextCursor?: string;
}

/** Operations of tenants, as the handlers and the worker see them. */
export class OperationRepository {
  readonly tenants: Documents<TenantOperations>;
  readonly relay: ReturnType<typeof createOutboxRelay>;
  /** Rung after each write: somebody may have work, or news to hear. */
  readonly changed: Doorbell;
  readonly #listings: Documents<OperationListing>;
  readonly #stamps: Pick<RepositoryOptions, 'clock' | 'random'>;

  constructor({ store, clock, random, logger, publish }: RepositoryOptions) {
    this.#stamps = { clock, random };
    this.changed = new Doorbell(clock);
    this.tenants = store.documents(tenantOperationsType);
    this.#listings = store.documents(operationListingType);
    this.relay = createOutboxRelay({
      documents: [this.tenants as Documents<unknown>],
      handlers: {
        event: publish,
        listing: (items) => this.#writeListings(items),
      },
      logger,
      clock,
      intervalMs: 1_000,
    });
  }

  /** Puts an operation at the end of its tenant's queue, or finds the one of that id. `check` may refuse, given what waits there. */
  async enqueue(operation: Operation, check: (waiting: readonly Operation[]) => void = () => undefined): Promise<Operation> {
    const known = await this.find(operation.tenantId, operation.id);
    if (known) return known;
    const queued = await this.change(operation.tenantId, (value) => {
      if (operationIn(value, operation.id)) return undefined;
      check(value.queue);
      return { value: { ...value, queue: [...value.queue, operation] }, outbox: this.consequencesOf(undefined, operation) };
    });
    return (await this.#listed(queued, operation.id)) ?? operation;
  }

  /** The operation of a tenant, from the moment of its write on. Whoever is told of it finds it with `get` as well. */
  async find(tenantId: string, operationId: string): Promise<Operation | undefined> {
    const stored = await this.tenants.get(tenantId);
    return (stored && (await this.#listed(stored, operationId))) ?? (await this.#listings.get(operationId))?.value.operation;
  }

  /** What waits for a tenant or is at work on it, oldest first. */
  async waiting(tenantId: string): Promise<readonly Operation[]> {
    return (await this.tenants.get(tenantId))?.value.queue ?? [];
  }

  /**
   * A token that is higher than every one before, for a change of the tenant that no operation makes; undefined where an
   * operation waits or is at work. One that begins later has a higher one still, and refuses what this one is late with.
   */
  async tokenIfIdle(tenantId: string): Promise<number | undefined> {
    let token: number | undefined;
    await this.change(tenantId, (value) => {
      token = value.queue.length === 0 ? value.fencingToken + 1 : undefined;
      return token === undefined ? undefined : { value: { ...value, fencingToken: token }, outbox: [] };
    });
    return token;
  }

  /** The operation of that id, whosever it is. */
  async get(operationId: string): Promise<Operation | undefined> {
    const listing = await this.#listings.get(operationId);
    return listing && (await this.#newest(listing.value.operation));
  }

  /** Newest first. @throws BurgageError `invalid_page_token`. */
  async list(query: { readonly tenantId?: string; readonly pageSize: number; readonly cursor?: string }): Promise<OperationsPage> {
    const page = await this.#listings.list({
      ...(query.tenantId ? { where: [{ field: 'tenantId', op: 'eq', value: query.tenantId }] } : {}),
      sort: { field: 'createdAt', descending: true },
      pageSize: query.pageSize,
      ...(query.cursor ? { cursor: query.cursor } : {}),
    });
    const operations = await Promise.all(
      page.items.map(async ({ value: { operation } }) => (hasEnded(operation) ? operation : await this.#newest(operation))),
    );
    return { operations, ...(page.nextCursor ? { nextCursor: page.nextCursor } : {}) };
  }

  /**
   * Changes a tenant's document by compare-and-set, again on the newest version where somebody else was faster.
   * `decide` answers undefined to leave it as it is; it may be called several times and may throw to give up.
   */
  async change(
    tenantId: string,
    decide: (value: TenantOperations) => { readonly value: TenantOperations; readonly outbox: readonly OutboxItem[] } | undefined,
  ): Promise<Stored<TenantOperations>> {
    for (let attempt = 1; attempt <= casAttemptsMax; attempt += 1) {
      const stored = await this.tenants.get(tenantId);
      const decision = decide(stored?.value ?? emptyTenantOperations(tenantId));
      if (!decision && stored) return stored;
      const next = decision ?? { value: emptyTenantOperations(tenantId), outbox: [] };
      try {
        const written = stored
          ? await this.tenants.replace(tenantId, stored.version, next.value, next.outbox)
          : await this.tenants.insert(tenantId, next.value, next.outbox);
        this.changed.ring();
        if (next.outbox.length > 0) this.relay.ring(this.tenants, tenantId);
        return written;
      } catch (error) {
        if (!isBurgageError(error, 'version_conflict', 'already_exists')) throw error;
      }
    }
    throw new BurgageError('unavailable', { message: `The operations of tenant ${tenantId} change too often at the moment.` });
  }

  /** An operation that was listed, as it is now. */
  async #newest(listed: Operation): Promise<Operation> {
    const live = await this.tenants.get(listed.tenantId);
    // Where the document has it no more it has ended, and its listing says how.
    return (live && operationKnownTo(live, listed.id)) ?? (await this.#listings.get(listed.id))?.value.operation ?? listed;
  }

  /** The operation of that document, once its listing is written; if that fails, the relay goes on trying. */
  async #listed(stored: Stored<TenantOperations>, operationId: string): Promise<Operation | undefined> {
    const operation = operationKnownTo(stored, operationId);
    const isListed = !stored.outbox.some(({ target }) => target === 'listing');
    if (operation && !isListed) await this.relay.flush(this.tenants, stored.id, 'listing');
    return operation;
  }

  async #writeListings(items: readonly OutboxItem[]): Promise<void> {
    for (const item of items) await this.#writeListing(item.payload as unknown as Operation);
  }

  /** Several relays may write it at once, and each may know an older one: the newest stays. */
  async #writeListing(operation: Operation): Promise<void> {
    for (let attempt = 1; attempt <= casAttemptsMax; attempt += 1) {
      const stored = await this.#listings.get(operation.id);
      if (stored && sequenceOf(stored.value.operation) >= sequenceOf(operation)) return;
      try {
        if (stored) await this.#listings.replace(operation.id, stored.version, { operation });
        else await this.#listings.insert(operation.id, { operation });
        return;
      } catch (error) {
        if (!isBurgageError(error, 'version_conflict', 'already_exists')) throw error;
      }
    }
    throw new BurgageError('unavailable', { message: `The listing of operation ${operation.id} changes too often at the moment.` });
  }

  /** What follows from an operation's change: events that tell of its new entries, and its listing when it is new or has ended. */
  consequencesOf(before: Operation | undefined, after: Operation): readonly OutboxItem[] {
    const { id: operationId, tenantId, kind, state: outcome } = after;
    const sequence = BigInt(sequenceOf(after));
    const items: OutboxItem[] = [];
    if (!before || hasEnded(after)) {
      items.push({ id: `listing-${operationId}-${sequence}`, target: 'listing', payload: after as unknown as Json });
    }
    items.push(outboxEvent('burgage.provisioner.operation.progressed', operationId, { operationId, tenantId, sequence }, this.#stamps));
    if (hasEnded(after)) {
      const ended = { operationId, tenantId, kind, outcome, sequence };
      items.push(outboxEvent('burgage.provisioner.operation.ended', operationId, ended, this.#stamps));
    }
    return items;
  }
}

/** The operation of that id as the document has it; one that ended before the last, as long as its listing is not written. */
function operationKnownTo({ value, outbox }: Stored<TenantOperations>, operationId: string): Operation | undefined {
  const unlisted = outbox.filter(({ target }) => target === 'listing').map(({ payload }) => payload as unknown as Operation);
  return operationIn(value, operationId) ?? unlisted.findLast(({ id }) => id === operationId);
}
