// What was made for tenants, process by process and folder by folder, who owns it, and the removal of what nobody does.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { BurgageError, isBurgageError, type PossessionSchema } from '@burgage/contracts';
import { isOver } from './domain/operation.ts';
import { tenantOfInstance } from './domain/operations/kit.ts';
import type { Fence, Infrastructure, TenantStanding } from './domain/ports.ts';
import type { OperationRepository } from './engine/repository.ts';

export type Possession = MessageInitShape<typeof PossessionSchema> & {
  readonly id: string;
  readonly tenantId: string;
  readonly orphan: boolean;
};

export interface PossessionsOptions {
  readonly infrastructure: Infrastructure;
  readonly repository: OperationRepository;
  readonly sharedUpstream: string;
}

/** What exists, whoever it is for; `removed` takes it away. */
interface Found {
  readonly kind: 'instance' | 'database' | 'files' | 'upstream';
  readonly id: string;
  readonly tenantId: string;
  readonly detail: string;
  readonly state?: string;
  readonly restarts?: number;
  readonly lastExit?: string;
  /** True where a tenant that lives so has it. */
  belongs(tenant: TenantStanding): boolean;
  remove(fence: Fence, signal: AbortSignal): Promise<void>;
}

/** A tenant that ended, or that nobody knows, owns nothing. */
const owners: ReadonlySet<string> = new Set(['requested', 'provisioning', 'active', 'terminating']);

export class Possessions {
  readonly #options: PossessionsOptions;

  constructor(options: PossessionsOptions) {
    this.#options = options;
  }

  async list(
    { tenantId, orphans }: { readonly tenantId: string; readonly orphans: boolean },
    signal: AbortSignal,
  ): Promise<readonly Possession[]> {
    const concerned = await this.#found(signal, tenantId);
    const listed = await Promise.all(concerned.map(async (one) => this.#shown(one, await this.#isOrphan(one, signal))));
    return listed.filter(({ orphan }) => orphan || !orphans).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** Looks at each once more before it goes. */
  async deleteOrphans(ids: readonly string[], signal: AbortSignal): Promise<{ deleted: string[]; skipped: string[] }> {
    const found = new Map((await this.#found(signal)).map((one) => [one.id, one]));
    const [deleted, skipped]: [string[], string[]] = [[], []];
    for (const id of ids) {
      const one = found.get(id);
      if (!one || !(await this.#isOrphan(one, signal))) {
        skipped.push(id);
        continue;
      }
      const token = await this.#options.repository.tokenIfIdle(one.tenantId);
      if (token === undefined) skipped.push(id);
      else {
        await one.remove({ operationId: `orphans_${one.tenantId}`, token }, signal);
        deleted.push(id);
      }
    }
    return { deleted, skipped };
  }

  #shown({ kind, id, tenantId, detail, state = '', restarts = 0, lastExit = '' }: Found, orphan: boolean): Possession {
    return { kind, id, tenantId, detail, state, restarts, lastExit, orphan };
  }

  /** Of every tenant, or of one. */
  async #found(signal: AbortSignal, only = ''): Promise<readonly Found[]> {
    const isConcerned = (tenantId: string): boolean => only === '' || tenantId === only;
    const { infrastructure, sharedUpstream } = this.#options;
    const { tenants, app, compute, files } = infrastructure;
    const found: Found[] = [];
    for (const { name, tenantId, state, address, restarts, lastExit } of await compute.list(signal)) {
      if (!isConcerned(tenantId)) continue;
      found.push({
        kind: 'instance',
        id: `instance/${name}`,
        tenantId,
        detail: address === '' ? 'the data of a process, which nobody wants to run' : `a process at ${address}`,
        state,
        restarts,
        lastExit,
        belongs: (tenant) => tenant.isolation === 'silo',
        async remove(fence) {
          await tenants.removeUpstream(name, fence, signal);
          await compute.remove(name, fence, signal);
          await compute.release(name, fence, signal);
        },
      });
    }
    for (const tenantId of await files.list()) {
      if (!isConcerned(tenantId)) continue;
      found.push({
        kind: 'files',
        id: `files/${tenantId}`,
        tenantId,
        detail: 'a folder',
        belongs: () => true,
        remove: (fence) => files.remove(tenantId, fence),
      });
    }
    const [address] = await tenants.endpoints(sharedUpstream, signal).catch(() => []);
    if (address === undefined) throw new BurgageError('no_endpoint', { message: `The upstream ${sharedUpstream} has no endpoint to ask.` });
    const shared = { upstream: sharedUpstream, address };
    // Right before the one that is asked for: an id is behind its own beginning.
    for await (const { tenantId, place, unfinished } of app.holdings(shared, signal, only.slice(0, -1))) {
      if (only !== '' && tenantId > only) break;
      if (!isConcerned(tenantId)) continue;
      found.push({
        kind: 'database',
        id: `database/${place}/${tenantId}`,
        tenantId,
        detail:
          place === 'own'
            ? 'a database of its own'
            : unfinished
              ? 'some rows in the shared database, that nobody sees'
              : 'rows in the shared database',
        belongs: (tenant) => (place === 'pool' ? tenant.isolation === 'pool' : tenant.isolation === 'bridge'),
        remove: (fence) => app.remove({ ...shared, place }, tenantId, fence, signal),
      });
    }
    const instances = new Set(found.filter(({ kind }) => kind === 'instance').map(({ id }) => id));
    for await (const { name } of tenants.upstreams(signal)) {
      const tenantId = tenantOfInstance(name);
      if (tenantId === undefined || !isConcerned(tenantId) || instances.has(`instance/${name}`)) continue;
      found.push({
        kind: 'upstream',
        id: `upstream/${name}`,
        tenantId,
        detail: 'leads to no process',
        belongs: (tenant) => tenant.upstream === name,
        remove: async (fence) => void (await tenants.removeUpstream(name, fence, signal)),
      });
    }
    return found;
  }

  /** Nobody's: its tenant is gone or lives otherwise, and no operation is at work that may need it or will remove it. */
  async #isOrphan(one: Found, signal: AbortSignal): Promise<boolean> {
    const { infrastructure, repository } = this.#options;
    if ((await repository.waiting(one.tenantId)).some((operation) => !isOver(operation))) return false;
    try {
      const tenant = await infrastructure.tenants.get(one.tenantId, signal);
      return !(owners.has(tenant.state) && one.belongs(tenant));
    } catch (error) {
      if (!isBurgageError(error, 'tenant_not_found')) throw error;
      await this.#refuseForgotten(one.tenantId);
      return true;
    }
  }

  /**
   * The registry keeps every tenant, also those that ended: where it does not know one that operations were made for, it has
   * lost its own state, and everything of everybody would seem to be nobody's. @throws BurgageError `data_corrupt`.
   */
  async #refuseForgotten(tenantId: string): Promise<void> {
    const { operations } = await this.#options.repository.list({ tenantId, pageSize: 1 });
    const [operation] = operations;
    if (operation === undefined) return;
    throw new BurgageError('data_corrupt', {
      message: `The registry does not know the tenant ${tenantId}, which operation ${operation.id} was for: it has lost what it knew, and until that is restored nothing is called an orphan.`,
      metadata: { tenant: tenantId },
    });
  }
}
