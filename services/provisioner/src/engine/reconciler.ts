// Compares what tenants should have with what there is, mends what can be mended, and says what a person must look at.
import { asBurgageError, isBurgageError } from '@burgage/contracts';
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { Isolation } from '@burgage/tenancy';
import { instanceNameOf, type Kit } from '../domain/operations/kit.ts';
import type { Fence, Infrastructure, InstanceStatus, SeatHolding, TenantStanding } from '../domain/ports.ts';
import type { ProvisionerMetrics } from '../metrics.ts';
import type { OperationRepository } from './repository.ts';

export interface ReconcilerOptions {
  readonly infrastructure: Infrastructure;
  readonly kit: Kit;
  readonly sharedUpstream: string;
  readonly repository: OperationRepository;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ProvisionerMetrics;
  readonly intervalMs: number;
}

/** As many times as a look took, nobody looks. */
const idleShare = 20;
/** How long a process may take to come up before the next tenant is looked at. */
const startMs = 15_000;
/** How long one may take to say what it has; what one that hangs has is not known. */
const answerMs = 5_000;
/** Restarts after which an instance is said not to stay up. */
const restartsMax = 2;

/** What is not as it should be with a tenant, and how it is put right. */
interface Difference {
  readonly kind: 'instance' | 'upstream' | 'files' | 'frozen' | 'moving' | 'route' | 'rows';
  readonly text: string;
  /** Absent: only a person can. */
  readonly mend?: (fence: Fence, signal: AbortSignal) => Promise<unknown>;
}

interface Seen {
  readonly instances: ReadonlyMap<string, InstanceStatus>;
  readonly upstreams: ReadonlyMap<string, readonly string[]>;
  readonly files: ReadonlySet<string>;
  /** By upstream, of each that answered; then by `<place>/<tenant id>`. */
  readonly holdings: ReadonlyMap<string, ReadonlyMap<string, SeatHolding>>;
}

/**
 * Only active tenants without operations are looked at: an operation knows itself what it has to do. Every repair is
 * fenced, so that an operation that begins meanwhile is not disturbed by it. What a tenant's app has lost is not made
 * anew: an empty database in the place of a lost one would hide the loss.
 */
export class Reconciler implements Component {
  readonly name = 'reconciler';
  readonly #options: ReconcilerOptions;
  readonly #stopping = new AbortController();
  /** Said once for as long as they last. */
  #said = new Set<string>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  /** One look at everything. Answers with the differences that it found, mended or not. */
  async reconcile(signal: AbortSignal = this.#stopping.signal): Promise<readonly string[]> {
    const { infrastructure, metrics } = this.#options;
    // Tenants last: what was made for one that has come since is no difference.
    const seen = await this.#look(signal);
    const said = new Set<string>();
    for await (const tenant of infrastructure.tenants.all(signal)) {
      if (signal.aborted) return [...said];
      if (tenant.state !== 'active') continue;
      for (const difference of this.#differences(tenant, seen)) {
        const text = `${difference.kind} of ${tenant.id}: ${difference.text}`;
        const isMended = await this.#mend(tenant, difference, text, signal);
        if (isMended === undefined) continue;
        said.add(text);
        metrics.differences.inc({ kind: difference.kind, outcome: isMended ? 'mended' : 'left' });
      }
    }
    this.#said = said;
    return [...said];
  }

  async #run(): Promise<void> {
    const { clock, logger, intervalMs } = this.#options;
    const { signal } = this.#stopping;
    let tookMs = 0;
    for (;;) {
      // However many there are, most of the time nobody looks.
      await clock.sleep(Math.max(intervalMs, idleShare * tookMs), signal);
      if (signal.aborted) return;
      const startedMs = clock.monotonicMs();
      try {
        await this.reconcile(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'what there is could not be compared with what should be; trying again');
      }
      tookMs = clock.monotonicMs() - startedMs;
    }
  }

  async #look(signal: AbortSignal): Promise<Seen> {
    const { tenants, app, compute, files } = this.#options.infrastructure;
    const { sharedUpstream } = this.#options;
    const instances = new Map((await compute.list(signal)).map((status) => [status.name, status]));
    const upstreams = new Map<string, readonly string[]>();
    for await (const { name, addresses } of tenants.upstreams(signal)) upstreams.set(name, addresses);
    const holdings = new Map<string, ReadonlyMap<string, SeatHolding>>();
    const holdingsOf = async (upstream: string, address: string, soon: AbortSignal): Promise<void> => {
      const found = new Map<string, SeatHolding>();
      for await (const holding of app.holdings({ upstream, address }, soon)) found.set(`${holding.place}/${holding.tenantId}`, holding);
      holdings.set(upstream, found);
    };
    const [address] = upstreams.get(sharedUpstream) ?? [];
    if (address !== undefined) await holdingsOf(sharedUpstream, address, signal);
    const running = [...instances.values()].filter(({ state }) => state === 'running');
    await this.#within(answerMs, signal, (soon) => Promise.allSettled(running.map(({ name, address }) => holdingsOf(name, address, soon))));
    return { instances, upstreams, files: new Set(await files.list()), holdings };
  }

  *#differences(tenant: TenantStanding, { instances, upstreams, files, holdings }: Seen): Generator<Difference> {
    const { infrastructure, kit } = this.#options;
    const { tenants, app, compute } = infrastructure;
    const isolation = tenant.isolation as Isolation;
    const seat = kit.seatOf(tenant.id, isolation);
    if (tenant.moving) {
      yield {
        kind: 'moving',
        text: 'it is said to be moving, and no operation moves it',
        mend: (fence, signal) => tenants.setMoving(tenant.id, false, fence, signal),
      };
    }
    if (tenant.upstream !== seat.upstream) {
      yield {
        kind: 'route',
        text: `it is served by ${tenant.upstream || 'nothing'}, expected ${seat.upstream}`,
        mend: (fence, signal) => tenants.putRoute(tenant.id, { upstream: seat.upstream, isolation }, fence, signal),
      };
    }
    if (!files.has(tenant.id)) {
      yield { kind: 'files', text: 'it has no folder', mend: (fence) => infrastructure.files.ensure(tenant.id, fence) };
    }
    if (isolation === 'silo') {
      const name = instanceNameOf(tenant.id);
      const instance = instances.get(name);
      const ensure = async (fence: Fence, signal: AbortSignal): Promise<void> => {
        const { address } = await this.#within(startMs, signal, (soon) => compute.ensure({ name, tenantId: tenant.id }, fence, soon));
        await tenants.putUpstream(name, address, fence, signal);
      };
      if (!instance || instance.state === 'stopped') yield { kind: 'instance', text: 'its process is not wanted by anybody', mend: ensure };
      else if (instance.state === 'backing_off' && instance.restarts > restartsMax) {
        // Its port may be another program's by now: then it gets another one.
        yield { kind: 'instance', text: `its process does not stay up: ${instance.lastExit || 'it says nothing'}`, mend: ensure };
      } else if (!upstreams.get(name)?.includes(instance.address)) {
        yield {
          kind: 'upstream',
          text: `${name} leads to ${upstreams.get(name)?.join(', ') ?? 'nothing'}, expected ${instance.address}`,
          mend: (fence, signal) => tenants.putUpstream(name, instance.address, fence, signal),
        };
      }
    }
    const held = holdings.get(seat.upstream);
    // Nothing is known of an app that did not answer.
    if (held === undefined) return;
    const holding = held.get(`${seat.place}/${tenant.id}`);
    if (!holding || holding.unfinished) {
      const found = holding ? 'only a part of its rows' : 'no rows of it';
      yield { kind: 'rows', text: `${seat.upstream} has ${found} in ${seat.place}; restore its database from a backup` };
    } else if (holding.frozen) {
      yield {
        kind: 'frozen',
        text: 'its database takes no writes, and no operation wants that',
        mend: async (fence, signal) => app.thaw(await kit.addressOf(tenant.id, isolation, signal), tenant.id, fence, signal),
      };
    }
  }

  async #within<T>(ms: number, signal: AbortSignal, work: (soon: AbortSignal) => Promise<T>): Promise<T> {
    const [late, ended] = [new AbortController(), new AbortController()];
    void this.#options.clock.sleep(ms, ended.signal).then(() => late.abort());
    try {
      return await work(AbortSignal.any([signal, late.signal]));
    } finally {
      ended.abort();
    }
  }

  /** Undefined where it is no difference any more, or an operation sees to the tenant. */
  async #mend({ id }: TenantStanding, { kind, text, mend }: Difference, key: string, signal: AbortSignal): Promise<boolean | undefined> {
    const { repository, infrastructure, logger } = this.#options;
    if (!mend && this.#said.has(key)) return (await repository.waiting(id)).length > 0 ? undefined : false;
    // Once more, now that no operation can be at work without our seeing it.
    const token = await repository.tokenIfIdle(id);
    if (token === undefined) return undefined;
    const tenant = await infrastructure.tenants.get(id, signal);
    if (tenant.state !== 'active' || ![...this.#differences(tenant, await this.#look(signal))].some((other) => other.kind === kind))
      return undefined;
    if (!mend) {
      logger.error({ tenantId: id, difference: kind }, text);
      return false;
    }
    try {
      await mend({ operationId: `reconcile_${id}`, token }, signal);
      logger.warn({ tenantId: id, difference: kind }, `mended: ${text}`);
      return true;
    } catch (error) {
      // An operation has begun, and sees to it.
      if (isBurgageError(error, 'fenced')) return undefined;
      if (!this.#said.has(key))
        logger.error({ tenantId: id, difference: kind, err: asBurgageError(error) }, `could not be mended: ${text}`);
      return false;
    }
  }
}
