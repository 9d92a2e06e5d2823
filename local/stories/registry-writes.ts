// Writes through the registry's own calls, in order for each entity, each answer held against what was committed.
import { isDeepStrictEqual } from 'node:util';
import { asBurgageError, type Tenant, TenantState } from '@burgage/contracts';
import type { Random } from '@burgage/runtime';
import type { TenantRoute } from '@burgage/tenancy';
import type { Newest } from './route-log.ts';
import type { WatchedRegistry } from './watched-registry.ts';

const fence = { operationId: 'op_model', token: 1n };
/** Tenants are signed up to the first; the last may not be there when a tenant is to move to it. */
export const upstreamNames = ['pool-a', 'pool-b', 'pool-c', 'pool-d'] as const;
const platformLabels = ['api', 'console'] as const;

/** What a call may be refused with while processes end, stores are put back and slugs are taken. */
const refusals: ReadonlySet<string> = new Set([
  'already_exists',
  'cancelled',
  'deadline_exceeded',
  'draining',
  'slug_taken',
  'tenant_not_found',
  'transition_not_allowed',
  'unavailable',
  'upstream_not_found',
]);

type Call = () => Promise<{ readonly tenant?: Tenant | undefined; readonly revision: bigint }>;

export class RegistryWrites {
  readonly #registry: WatchedRegistry;
  readonly #random: Random;
  readonly #violated: (sentence: string) => void;
  /** The last write of each entity. */
  readonly #last = new Map<string, Promise<void>>();
  /** How many tenants have had each slug. */
  readonly #generations = new Map<string, number>();

  constructor(registry: WatchedRegistry, random: Random, violated: (sentence: string) => void) {
    this.#registry = registry;
    this.#random = random;
    this.#violated = violated;
  }

  /** Resolves when no write is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }

  /** The store is an older one: who had which slug has to be found out again. */
  forget(): void {
    this.#generations.clear();
  }

  /** Signs up the next tenant with this slug and places it. */
  signUp(slug: string, upstream: string = upstreamNames[0]): Promise<void> {
    return this.#inOrder(slug, async () => {
      const tenant = await this.#tenant(slug);
      if (tenant.upstream === '') await this.#place(tenant, upstream);
    });
  }

  /** Moves the tenant with this slug one step on, whatever that is where it is now. */
  moveOn(slug: string): Promise<void> {
    return this.#inOrder(slug, async () => {
      const tenant = await this.#tenant(slug);
      switch (tenant.state) {
        case TenantState.REQUESTED:
          return this.#transition(tenant, TenantState.PROVISIONING);
        case TenantState.PROVISIONING:
          if (tenant.upstream === '') return this.#place(tenant);
          return this.#transition(tenant, this.#random.float() < 0.7 ? TenantState.ACTIVE : TenantState.FAILED);
        case TenantState.ACTIVE:
          if (this.#random.float() < 0.4) return this.#place(tenant);
          if (this.#random.float() < 0.5) return this.#change(tenant);
          return this.#transition(tenant, TenantState.TERMINATING);
        case TenantState.FAILED:
          // Its slug is free again: the next tenant takes the host over.
          this.#generations.set(slug, this.#generation(slug) + 1);
          return this.#place(await this.#tenant(slug));
        case TenantState.TERMINATING:
          if (this.#random.float() < 0.3) return this.#transition(tenant, TenantState.ACTIVE);
          if (tenant.hosts.length > 0) return this.#unplace(tenant);
          return this.#transition(tenant, TenantState.TERMINATED);
        default:
          return undefined;
      }
    });
  }

  /** Takes the tenant with this slug off the routes. */
  unplace(slug: string): Promise<void> {
    return this.#inOrder(slug, async () => this.#unplace(await this.#tenant(slug)));
  }

  putUpstream(name: string, endpointCount: number): Promise<void> {
    return this.#inOrder(name, async () => {
      const first = 1 + Math.floor(this.#random.float() * 60_000);
      const endpoints = Array.from({ length: endpointCount }, (_, index) => ({ address: `127.0.0.1:${first + index}` }));
      const { epoch } = this.#registry.log;
      const { revision } = await this.#registry.client.putUpstream({ name, endpoints });
      const entity = this.#shownBy(epoch, Number(revision))?.get(`upstream ${name}`)?.entity;
      if (entity === undefined) return;
      const shown = new Set(entity.kind === 'upstream' ? entity.endpoints.map(({ address }) => address) : []);
      if (shown.size !== endpoints.length || endpoints.some(({ address }) => !shown.has(address)))
        this.#violated(`upstream ${name} is not shown at revision ${revision}, which was answered`);
    });
  }

  removeUpstream(name: string): Promise<void> {
    return this.#inOrder(name, async () => {
      const { epoch } = this.#registry.log;
      const { revision } = await this.#registry.client.removeUpstream({ name });
      const entry = this.#shownBy(epoch, Number(revision))?.get(`upstream ${name}`);
      if (entry?.removed === false) this.#violated(`upstream ${name} is shown at revision ${revision}, which was answered to its removal`);
    });
  }

  putPlatformRoute(): Promise<void> {
    const label = this.#one(platformLabels);
    return this.#inOrder(label, async () => {
      await this.#registry.client.putPlatformRoute({ label, upstream: this.#one(upstreamNames) });
    });
  }

  #inOrder(entity: string, write: () => Promise<void>): Promise<void> {
    const before = this.#last.get(entity) ?? Promise.resolve();
    const now = before.then(write).catch((error: unknown) => {
      const { code, message } = asBurgageError(error);
      if (!refusals.has(code)) this.#violated(`the registry refused a write to ${entity}: ${code}: ${message}`);
    });
    this.#last.set(entity, now);
    return now;
  }

  #generation(slug: string): number {
    return this.#generations.get(slug) ?? 0;
  }

  /** Created where there is none. */
  async #tenant(slug: string): Promise<Tenant> {
    const idempotencyKey = `${slug}-${this.#generation(slug)}`;
    const { tenant } = await this.#registry.client.createTenant({
      idempotencyKey,
      company: slug,
      plan: 'trial',
      ownerEmail: 'owner@model.test',
      slug,
    });
    if (tenant === undefined) throw new Error('the registry answered without a tenant');
    return tenant;
  }

  async #transition({ id }: Tenant, state: TenantState): Promise<void> {
    const { epoch } = this.#registry.log;
    const { tenant, revision } = await this.#registry.client.transitionTenant({ tenantId: id, state, fence, reason: 'the model says so' });
    if (tenant !== undefined && revision > 0n) this.#holdAgainst(tenant, this.#shownBy(epoch, Number(revision)), revision);
  }

  /** A hold, a plan, or a move that begins or ends. */
  async #change({ id, holds, plan, moving }: Tenant): Promise<void> {
    const { client, log } = this.#registry;
    const { epoch } = log;
    const of = { tenantId: id, fence };
    const calls: readonly [Call, ...Call[]] = [
      () => (holds.length > 0 ? client.liftTenantHold({ ...of, hold: 'unpaid' }) : client.addTenantHold({ ...of, hold: 'unpaid' })),
      () => client.setTenantPlan({ ...of, plan: plan === 'trial' ? 'paid' : 'trial' }),
      () => client.setTenantMoving({ ...of, moving: !moving }),
    ];
    const { tenant, revision } = await this.#one(calls)();
    if (tenant !== undefined) this.#holdAgainst(tenant, this.#shownBy(epoch, Number(revision)), revision);
  }

  async #place({ id }: Tenant, upstream: string = this.#one(upstreamNames)): Promise<void> {
    const { epoch } = this.#registry.log;
    const { tenant, revision } = await this.#registry.client.putTenantRoute({ tenantId: id, upstream, isolation: 'pool', fence });
    const shown = this.#shownBy(epoch, Number(revision));
    if (tenant !== undefined) this.#holdAgainst(tenant, shown, revision);
    if (shown !== undefined && !shown.has(`upstream ${upstream}`))
      this.#violated(`${id} is placed at revision ${revision}, which does not show its upstream`);
  }

  async #unplace({ id }: Tenant): Promise<void> {
    const { epoch } = this.#registry.log;
    const { tenant, revision } = await this.#registry.client.removeTenantRoute({ tenantId: id, fence });
    if (tenant !== undefined) this.#holdAgainst(tenant, this.#shownBy(epoch, Number(revision)), revision);
  }

  /** What a gateway shows at least that has applied `revision`; undefined where the epoch changed during the call. */
  #shownBy(epoch: string, revision: number): Newest | undefined {
    const { log } = this.#registry;
    return log.epoch === epoch ? log.newestAt(epoch, revision) : undefined;
  }

  /** Nobody else writes to this tenant or its host meanwhile. */
  #holdAgainst(
    { id, slug, formerSlug, hosts, upstream, state, holds, plan, moving }: Tenant,
    shown: Newest | undefined,
    revision: bigint,
  ): void {
    if (shown === undefined) return;
    const expected = hosts.length === 0 ? undefined : { upstream, state: TenantState[state]?.toLowerCase(), holds, plan, moving };
    const tenant = shown.get(`tenant ${id}`)?.entity;
    const found = tenant?.kind === 'tenant' ? seenIn(tenant) : undefined;
    if (!isDeepStrictEqual(found, expected))
      this.#violated(`${id} is not shown at revision ${revision}, which was answered: ${JSON.stringify(found)}`);
    const host = shown.get(`host ${slug || formerSlug}.test`)?.entity;
    const leadsTo = host?.kind === 'host' ? host.tenantId : undefined;
    if (leadsTo !== (hosts.length === 0 ? undefined : id))
      this.#violated(`the host of ${id} is not shown at revision ${revision}, which was answered: ${JSON.stringify(host)}`);
  }

  #one<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.#random.float() * choices.length)] ?? choices[0];
  }
}

/** What a tenant's message says too. */
function seenIn({ upstream, state, holds, plan, moving }: TenantRoute) {
  return { upstream, state, holds, plan, moving };
}
