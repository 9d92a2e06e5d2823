// A registry for the gateway's tests: real gRPC on a Unix socket, a journal in memory, and faults on demand.
import { create } from '@bufbuild/protobuf';
import { BurgageError, type ErrorCode, RegistryService, ResolveHostResponseSchema } from '@burgage/contracts';
import { createRpcServer, implement, type RpcServer } from '@burgage/rpc';
import { createMetrics } from '@burgage/runtime';
import { type RouteEntry, routeEntryToProto, wildcardCandidates } from '@burgage/tenancy';
import { onTestEnd, silent } from './fixture.ts';

export interface Heard {
  readonly epoch: string;
  readonly revision: number;
  readonly snapshotHeld: boolean;
}

export class TestRegistry {
  epoch = '1.e';
  journal: RouteEntry[] = [];
  /** Every hello and every ack, in order. */
  readonly hellos: { gatewayId: string; adminAddress: string; epoch: string; revision: number; seenRevision: number; stamp: string }[] = [];
  readonly acks: Heard[] = [];
  readonly resolved: string[] = [];
  /** How far ahead of the entries that it sends it says it is. */
  headAhead = 0;
  resolveFails = false;
  /** What every hello is answered with in the place of routes. */
  watchFails: ErrorCode | undefined;
  refusals = 0;
  #server: RpcServer | undefined;
  readonly #address: string;

  constructor(folder: string) {
    this.#address = `unix:${folder}/registry.sock`;
  }

  get address(): string {
    return this.#address;
  }

  append(...entries: RouteEntry[]): void {
    this.journal.push(...entries);
  }

  async start(): Promise<void> {
    const no = async (): Promise<never> => {
      throw new BurgageError('internal');
    };
    const implementation = implement(RegistryService, {
      createTenant: no,
      getTenant: no,
      listTenants: no,
      transitionTenant: no,
      putTenantRoute: no,
      removeTenantRoute: no,
      addTenantHold: no,
      liftTenantHold: no,
      setTenantPlan: no,
      setTenantMoving: no,
      removeUpstream: no,
      listUpstreams: no,
      putUpstream: no,
      getUpstream: no,
      putPlatformRoute: no,
      listGateways: no,
      resolveHost: async ({ host }) => this.#resolve(host),
      watchRoutes: (requests, { signal }) => this.#watch(requests, signal),
    });
    this.#server = createRpcServer({ address: this.#address, services: [implementation], logger: silent, metrics: createMetrics() });
    await this.#server.start();
    onTestEnd(() => this.stop());
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  #stampAt(revision: number): string {
    return `${this.epoch} at ${revision}`;
  }

  async #resolve(host: string) {
    this.resolved.push(host);
    if (this.resolveFails) throw new BurgageError('internal');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const newest = (kind: RouteEntry['kind'], key: string) => this.journal.findLast((entry) => entry.kind === kind && entry.key === key);
    const found = [host, ...wildcardCandidates(host)].map((name) => newest('host', name)).find((entry) => entry?.removed === false);
    const tenant = found?.entity?.kind === 'host' ? newest('tenant', found.entity.tenantId) : undefined;
    const upstream = tenant?.entity?.kind === 'tenant' ? newest('upstream', tenant.entity.upstream) : undefined;
    return create(ResolveHostResponseSchema, {
      ...(found && { host: routeEntryToProto(found) }),
      ...(tenant && { tenant: routeEntryToProto(tenant) }),
      ...(upstream && { upstream: routeEntryToProto(upstream) }),
      epoch: this.epoch,
      revision: BigInt(this.journal.length),
    });
  }

  async *#watch(
    requests: AsyncIterable<
      Parameters<Parameters<typeof implement<typeof RegistryService>>[1]['watchRoutes']>[0] extends AsyncIterable<infer R> ? R : never
    >,
    signal: AbortSignal,
  ) {
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    if (this.watchFails !== undefined) {
      this.refusals += 1;
      throw new BurgageError(this.watchFails);
    }
    if (first.done || first.value.message.case !== 'hello') throw new BurgageError('invalid_argument');
    const { gatewayId, adminAddress, epoch, revision, seenRevision, stamp } = first.value.message.value;
    this.hellos.push({ gatewayId, adminAddress, epoch, revision: Number(revision), seenRevision: Number(seenRevision), stamp });
    void (async () => {
      for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
        if (next.value.message.case !== 'applied') continue;
        const { epoch, revision, snapshotHeld } = next.value.message.value;
        this.acks.push({ epoch, revision: Number(revision), snapshotHeld });
      }
    })().catch(() => {});

    let sent = Number(revision);
    if (epoch !== this.epoch || sent > this.journal.length) {
      sent = this.journal.length;
      const state = new Map<string, RouteEntry>();
      for (const entry of this.journal) state.set(`${entry.kind} ${entry.key}`, entry);
      const living = [...state.values()].filter(({ removed }) => !removed);
      yield { message: { case: 'snapshotBegin' as const, value: { epoch: this.epoch, revision: BigInt(sent) } } };
      yield { message: { case: 'batch' as const, value: { entries: living.map(routeEntryToProto), revision: 0n } } };
      const end = { revision: BigInt(sent), entries: BigInt(living.length), seenRevision: BigInt(sent), stamp: this.#stampAt(sent) };
      yield { message: { case: 'snapshotEnd' as const, value: end } };
    }
    while (!signal.aborted && this.#server !== undefined) {
      if (this.journal.length > sent) {
        const entries = this.journal.slice(sent);
        sent = this.journal.length;
        const batch = { entries: entries.map(routeEntryToProto), revision: BigInt(sent), stamp: this.#stampAt(sent) };
        yield { message: { case: 'batch' as const, value: batch } };
      }
      yield { message: { case: 'head' as const, value: { epoch: this.epoch, revision: BigInt(this.journal.length + this.headAhead) } } };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The entries that lead a host to a tenant of its own in the shared upstream. */
export function routeOf(host: string, options: { version?: number; tenantId?: string; upstream?: string } = {}): RouteEntry[] {
  const { version = 1, tenantId = `ten_${host}`, upstream = 'shared' } = options;
  return [
    {
      kind: 'tenant',
      key: tenantId,
      version,
      removed: false,
      entity: {
        kind: 'tenant',
        tenantId,
        slug: 'acme',
        plan: 'trial',
        state: 'active',
        holds: [],
        limits: { requestsPerSecond: 1_000, concurrency: 100, bodyBytesMax: 0 },
        features: ['export'],
        upstream,
        isolation: 'pool',
        entitlementVersion: version,
        branding: { name: 'Größe', color: '#336699' },
        platform: false,
        moving: false,
      },
    },
    { kind: 'host', key: host, version, removed: false, entity: { kind: 'host', host, tenantId } },
  ];
}

export function upstreamOf(address: string, options: { version?: number; name?: string } = {}): RouteEntry {
  const { version = 1, name = 'shared' } = options;
  return {
    kind: 'upstream',
    key: name,
    version,
    removed: false,
    entity: { kind: 'upstream', name, endpoints: [{ address, weight: 1, zone: '' }] },
  };
}

export function removal(kind: RouteEntry['kind'], key: string, version: number): RouteEntry {
  return { kind, key, version, removed: true };
}
