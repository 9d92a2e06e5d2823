// Changes of routes of all kinds at a steady rate, and from when on a gateway answers by them.
import { setTimeout as sleep } from 'node:timers/promises';
import { domain, tenantId } from '@burgage/gateway/bench';
import type { Journal, Json } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { sharedUpstream } from './many-tenants.ts';
import { send } from './sign-ups.ts';

export interface RouteChangesOptions {
  /** Of a registry that the gateway follows. */
  readonly journal: Pick<Journal, 'append'>;
  /** Of the gateway. */
  readonly port: number;
  /** Tenants whose plan is changed, by their numbers from 0. */
  readonly hosts: number;
  /** Addresses of the app of all tenants: the first is always there, the second comes and goes. */
  readonly web: readonly string[];
  /** Addresses that the watched upstreams move between: the first answers 0, which is where they are, the second 1. */
  readonly backends: readonly string[];
}

/** Upstreams of their own, each moved to and fro and asked until the other backend answers. */
export const watchedCount = 50;
const watchedPerSecond = 40;
/** Tenants that come, and go a moment after they were served: four changes each. */
const madePerSecond = 25;
const madeStayMs = 1_500;
/** Of the upstream that all load goes to. */
const sharedPerSecond = 1;
/** A prime, so that tenants are not changed in the order in which they were written. */
const strideOfTenants = 7_919;
/** What is due by then goes into the journal together. */
const turnMs = 5;
/** Between two looks: those who wait for a slow gateway must not be what makes it slow. */
const pollMs = 2;
const giveUpAfterMs = 10_000;

export function watchedHost(number: number): string {
  return `watched-${number}.${domain}`;
}

export function watchedUpstream(number: number): string {
  return `bench-watched-${number}`;
}

/** An entry, and what to do once it is in the journal. */
interface Change {
  readonly entries: readonly RouteEntry[];
  readonly watch?: (committedMs: number) => Promise<void>;
}

export class RouteChanges {
  /** From the journal having a change to the gateway answering by it. */
  readonly shownMs: number[] = [];
  /** The same of tenants that are new. */
  readonly servedMs: number[] = [];
  readonly complaints: string[] = [];
  /** Changes that are in the journal. */
  done = 0;
  readonly #options: RouteChangesOptions;
  readonly #watching = new Set<Promise<void>>();
  /** Where the watched ones are; one that is on its way is missing. */
  readonly #at = new Map<number, number>(Array.from({ length: watchedCount }, (_, number) => [number, 0]));
  /** Of tenants that were made and served and are to go, oldest first. */
  readonly #made: { readonly number: number; readonly untilMs: number }[] = [];
  /** Higher than that of any entry before. */
  #version = 1;
  #plansChanged = 0;
  #madeCount = 0;
  #watchedTurn = 0;
  #isSecondThere = false;

  constructor(options: RouteChangesOptions) {
    this.#options = options;
  }

  /** Resolves when the last one is in the journal and seen. */
  async run(seconds: number, perSecond: number): Promise<void> {
    const beganMs = performance.now();
    const plansPerSecond = perSecond - watchedPerSecond - 4 * madePerSecond - sharedPerSecond;
    const done = { watched: 0, made: 0, shared: 0, plans: 0 };
    for (let atS = 0; atS < seconds; atS = (performance.now() - beganMs) / 1_000) {
      const changes: Change[] = [];
      // By the clock: what a late turn has left over is caught up with.
      for (; done.watched < atS * watchedPerSecond; done.watched++) changes.push(...this.#moveWatched());
      for (; done.made < atS * madePerSecond; done.made++) changes.push(this.#makeTenant());
      for (; done.shared < atS * sharedPerSecond; done.shared++) changes.push(this.#changeShared());
      for (; done.plans < atS * plansPerSecond; done.plans++) changes.push(this.#changePlan());
      changes.push(...this.#removeOld(performance.now()));
      await this.#commit(changes);
      await sleep(turnMs);
    }
    await Promise.all(this.#watching);
    await this.#commit(this.#removeOld(Number.POSITIVE_INFINITY));
  }

  /** Counts and times are of what comes from now on; complaints stay. */
  forgetTimes(): void {
    this.shownMs.length = 0;
    this.servedMs.length = 0;
    this.done = 0;
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    const entries = changes.flatMap((change) => change.entries);
    if (entries.length === 0) return;
    await this.#options.journal.append(entries as unknown as readonly Json[]);
    const committedMs = performance.now();
    this.done += entries.length;
    for (const { watch } of changes) {
      if (watch === undefined) continue;
      const watching = watch(committedMs)
        .catch((error: unknown) => void this.complaints.push(error instanceof Error ? error.message : String(error)))
        .finally(() => this.#watching.delete(watching));
      this.#watching.add(watching);
    }
  }

  /** Of a tenant that stays served; the same one again only after all others. */
  #changePlan(): Change {
    const number = (this.#plansChanged++ * strideOfTenants) % this.#options.hosts;
    const isLarger = this.#plansChanged % 2 === 0;
    return { entries: [this.#tenant(tenantId(number), isLarger ? 'starter' : 'trial', isLarger ? 50 : 20)] };
  }

  #changeShared(): Change {
    this.#isSecondThere = !this.#isSecondThere;
    const { web } = this.#options;
    return { entries: [this.#upstream(sharedUpstream, this.#isSecondThere ? web : web.slice(0, 1))] };
  }

  #moveWatched(): readonly Change[] {
    const number = this.#watchedTurn++ % watchedCount;
    const at = this.#at.get(number);
    if (at === undefined) return [];
    this.#at.delete(number);
    const to = 1 - at;
    const watch = async (committedMs: number): Promise<void> => {
      await this.#answers(watchedHost(number), '/', committedMs, (status, body) => {
        if (status !== 200) this.complaints.push(`${watchedHost(number)}: got ${status} while its endpoint moved`);
        return body === String(to);
      });
      this.shownMs.push(performance.now() - committedMs);
      this.#at.set(number, to);
    };
    return [{ entries: [this.#upstream(watchedUpstream(number), [this.#options.backends[to] ?? ''])], watch }];
  }

  #makeTenant(): Change {
    const number = this.#madeCount++;
    const host = madeHost(number);
    const watch = async (committedMs: number): Promise<void> => {
      await this.#answers(host, '/small', committedMs, (status) => status === 200);
      const nowMs = performance.now();
      this.servedMs.push(nowMs - committedMs);
      this.#made.push({ number, untilMs: nowMs + madeStayMs });
    };
    const route: RouteEntry = { ...this.#head('host', host), entity: { kind: 'host', host, tenantId: madeId(number) } };
    return { entries: [this.#tenant(madeId(number), 'trial', 100), route], watch };
  }

  #removeOld(nowMs: number): readonly Change[] {
    const old = this.#made.splice(0, this.#made.findLastIndex(({ untilMs }) => untilMs <= nowMs) + 1);
    return old.map(({ number }) => ({
      entries: (['host', 'tenant'] as const).map((kind) => ({
        ...this.#head(kind, kind === 'host' ? madeHost(number) : madeId(number)),
        removed: true,
      })),
    }));
  }

  /** Asks again and again until the answer is as it should be. */
  async #answers(host: string, path: string, fromMs: number, isRight: (status: number, body: string) => boolean): Promise<void> {
    for (;;) {
      const { status, body } = await send(this.#options.port, host, path);
      if (isRight(status, body)) return;
      await sleep(pollMs);
      if (performance.now() - fromMs > giveUpAfterMs) throw new Error(`${host}: the gateway did not follow within ${giveUpAfterMs} ms`);
    }
  }

  #head<Kind extends RouteEntry['kind']>(kind: Kind, key: string) {
    this.#version += 1;
    return { kind, key, version: this.#version, removed: false } as const;
  }

  #upstream(name: string, addresses: readonly string[]): RouteEntry {
    const endpoints = addresses.map((address) => ({ address, weight: 1, zone: '' }));
    return { ...this.#head('upstream', name), entity: { kind: 'upstream', name, endpoints } };
  }

  #tenant(id: string, plan: string, requestsPerSecond: number): RouteEntry {
    const head = this.#head('tenant', id);
    return {
      ...head,
      entity: {
        kind: 'tenant',
        tenantId: id,
        slug: id.slice(-8),
        plan,
        state: 'active',
        holds: [],
        limits: { requestsPerSecond, concurrency: 100, bodyBytesMax: 1_048_576 },
        features: ['contacts'],
        upstream: sharedUpstream,
        isolation: 'pool',
        entitlementVersion: head.version,
        branding: { name: `Company ${id}`, color: '#335577' },
        platform: false,
        moving: false,
      },
    };
  }
}

function madeId(number: number): string {
  return `ten_made${number}`;
}

function madeHost(number: number): string {
  return `made-${number}.${domain}`;
}
