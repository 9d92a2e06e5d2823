// The world that simulated operations change: a registry, gateways that lag, apps, processes, files and archives, each fenced.
import { BurgageError, type ErrorCode } from '@burgage/contracts';
import type { Hold, Isolation } from '@burgage/tenancy';
import type { AppAddress, Digest, Fence, Infrastructure, TenantStanding } from '../../domain/ports.ts';
import type { SimulatedProcess } from './process.ts';

export const sharedUpstream = 'desk-shared';
const plans: readonly string[] = ['trial', 'starter', 'professional'];
const sharedAddress = '127.0.0.1:1000';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Tenant = Mutable<Omit<TenantStanding, 'holds' | 'hosts'>> & { holds: Hold[]; hosts: string[]; failure: string };

interface Rows {
  rows: string[];
  isFrozen: boolean;
  owner: string;
  /** In a pool, a part of it has gone or come: nobody sees any. */
  unfinished?: 'replaced' | 'removed';
}

interface Process {
  readonly tenantId: string;
  readonly address: string;
  isRunning: boolean;
}

/** One change that happened: of what, for whom, and in which direction. */
export interface Change {
  readonly operationId: string;
  readonly what: string;
}

export class World {
  readonly tenants = new Map<string, Tenant>();
  readonly upstreams = new Map<string, string>();
  readonly instances = new Map<string, Process>();
  /** By app and place and tenant: `127.0.0.1:1000/own/ten_…`. */
  readonly seats = new Map<string, Rows>();
  readonly files = new Set<string>();
  readonly archives = new Map<string, string>();
  readonly mails = new Map<string, number>();
  readonly changes: Change[] = [];
  /** Questions, such as `app.restore`, that are refused with this for as long as it is here. */
  readonly refusals = new Map<string, ErrorCode>();
  /** What is read of an archive is not what was written. */
  spoilsArchives = false;
  /** Calls that came too late, and were refused. */
  fenced = 0;
  revision = 0;
  readonly #fences = new Map<string, number>();
  #ports = 1_000;

  constructor() {
    this.upstreams.set(sharedUpstream, sharedAddress);
  }

  requested(id: string, isolation: Isolation, plan = 'trial'): Tenant {
    const tenant: Tenant = {
      id,
      slug: `slug-${id.slice(-4).toLowerCase()}`,
      company: 'Acme',
      plan,
      isolation,
      state: 'requested',
      ownerEmail: 'owner@acme.test',
      color: '#102030',
      holds: [],
      upstream: '',
      hosts: [],
      moving: false,
      operationId: '',
      graceDays: 3,
      failure: '',
    };
    this.tenants.set(id, tenant);
    return tenant;
  }

  /** A tenant that was provisioned, with some rows. */
  active(id: string, isolation: Isolation, rows: readonly string[]): Tenant {
    const tenant = this.requested(id, isolation);
    tenant.state = 'active';
    tenant.hosts = [`${tenant.slug}.localhost`];
    tenant.upstream = isolation === 'silo' ? `${id.toLowerCase()}-silo` : sharedUpstream;
    this.files.add(id);
    if (isolation === 'silo') {
      const address = this.#newAddress();
      this.instances.set(tenant.upstream, { tenantId: id, address, isRunning: true });
      this.upstreams.set(tenant.upstream, address);
    }
    this.seats.set(this.#seatKey(this.#addressFor(tenant), id), { rows: [...rows], isFrozen: false, owner: tenant.ownerEmail });
    return tenant;
  }

  /** Where the tenant's traffic goes; undefined where it is not served. */
  seatOf(id: string): Rows | undefined {
    const tenant = this.tenants.get(id);
    return tenant && tenant.upstream !== '' && this.upstreams.has(tenant.upstream)
      ? this.seats.get(this.#seatKey(this.#addressFor(tenant), id))
      : undefined;
  }

  /**
   * What a gateway would send, that has not heard of any change since `seen` was taken: the app takes it, where the rows
   * are there and not frozen. True where it was acknowledged.
   */
  write(id: string, row: string, seen: { readonly upstreamAddress: string; readonly isolation: string }): boolean {
    const place = seen.isolation === 'pool' ? 'pool' : 'own';
    const at = { address: seen.upstreamAddress, place } as const;
    const silo = [...this.instances.values()].find(({ address }) => address === seen.upstreamAddress);
    // A process of another tenant answers 421; one that is gone not at all.
    if (seen.upstreamAddress !== sharedAddress && (silo?.tenantId !== id || !silo.isRunning)) return false;
    const seat = this.seats.get(this.#seatKey(at, id));
    if (!seat || seat.isFrozen || seat.unfinished) return false;
    seat.rows.push(row);
    return true;
  }

  seen(id: string): { readonly upstreamAddress: string; readonly isolation: string } | undefined {
    const tenant = this.tenants.get(id);
    const upstreamAddress = tenant && this.upstreams.get(tenant.upstream);
    return tenant?.state === 'active' && !tenant.moving && upstreamAddress ? { upstreamAddress, isolation: tenant.isolation } : undefined;
  }

  /** Everything that operations need, as `process` asks for it. */
  infrastructure(process: SimulatedProcess): Infrastructure {
    const ask = <T>(name: string, effect: () => T): Promise<T> =>
      process.ask(name, () => {
        const refusal = this.refusals.get(name);
        if (refusal) throw new BurgageError(refusal);
        return effect();
      });
    const changed = (fence: Fence, what: string): void => void this.changes.push({ operationId: fence.operationId, what });

    /** Under the fence of `driver`; `change` is called only where something has to change. */
    const tenantChange = (name: string, id: string, fence: Fence, work: (tenant: Tenant) => boolean): Promise<number> =>
      ask(`tenants.${name}`, () => {
        const tenant = this.#tenant(id);
        this.#enter('registry', id, fence);
        if (work(tenant)) {
          this.revision += 1;
          tenant.operationId = fence.operationId;
          changed(fence, `${name} ${id}`);
        }
        return this.revision;
      });

    const transition = (
      name: string,
      id: string,
      fence: Fence,
      from: readonly string[],
      to: string,
      then: (tenant: Tenant) => void = () => undefined,
    ) =>
      tenantChange(name, id, fence, (tenant) => {
        if (tenant.state === to) return false;
        if (!from.includes(tenant.state)) throw new BurgageError('transition_not_allowed', { message: `The tenant is ${tenant.state}.` });
        tenant.state = to;
        then(tenant);
        return true;
      });

    const atApp = <T>(name: string, at: Pick<AppAddress, 'upstream' | 'address'>, effect: () => T): Promise<T> =>
      ask(`app.${name}`, () => {
        const instance = this.instances.get(at.upstream);
        if (at.upstream !== sharedUpstream && !instance?.isRunning) throw new BurgageError('upstream_unreachable');
        return effect();
      });
    const atSeat = <T>(name: string, at: AppAddress, id: string, fence: Fence, effect: (key: string) => T): Promise<T> =>
      atApp(name, at, () => {
        const key = this.#seatKey(at, id);
        this.#enter(`app ${at.address}/${at.place}`, id, fence);
        return effect(key);
      });
    /** Rows of a pool go and come in slices: what breaks off between this question and the next leaves a part of them. */
    const inPool: (...asked: Parameters<typeof atSeat<void>>) => Promise<void> = async (...asked) => {
      if (asked[1].place === 'pool') await atSeat(...asked);
    };
    const seatAt = (key: string): Rows => {
      const seat = this.seats.get(key);
      if (!seat || seat.unfinished) throw new BurgageError('app_refused', { message: 'The tenant is not prepared.' });
      return seat;
    };
    const digestOf = (rows: readonly string[]): Digest => ({ contacts: { rows: rows.length, hash: [...rows].sort().join('|') } });
    const encoded = async function* (rows: readonly string[]): AsyncIterable<Uint8Array> {
      yield new TextEncoder().encode(JSON.stringify(rows));
    };
    const decoded = async (archive: AsyncIterable<Uint8Array>): Promise<string[]> => {
      let text = '';
      for await (const chunk of archive) text += new TextDecoder().decode(chunk);
      return JSON.parse(text);
    };

    return {
      urlOf: (slug) => `http://${slug}.localhost`,
      tenants: {
        get: (id) => ask('tenants.get', () => structuredClone(this.#tenant(id))),
        requested: () => this.#walk([...this.tenants.values()].filter(({ state }) => state === 'requested').map(({ id }) => id)),
        all: () => this.#walk([...this.tenants.values()].map((tenant) => structuredClone(tenant))),
        beginProvisioning: async (id, fence) => void (await transition('beginProvisioning', id, fence, ['requested'], 'provisioning')),
        fail: async (id, reason, fence) =>
          void (await transition('fail', id, fence, ['requested', 'provisioning'], 'failed', (tenant) =>
            Object.assign(tenant, { slug: '', hosts: [], upstream: '', failure: reason }),
          )),
        async putRoute(id, { upstream, isolation }, fence) {
          let hosts: readonly string[] = [];
          const revision = await tenantChange(`putRoute ${upstream} ${isolation}`, id, fence, (tenant) => {
            hosts = [`${tenant.slug}.localhost`];
            if (tenant.upstream === upstream && tenant.isolation === isolation && tenant.hosts.length > 0) return false;
            Object.assign(tenant, { upstream, isolation, hosts });
            return true;
          });
          return { hosts, revision };
        },
        removeRoute: (id, fence) =>
          tenantChange('removeRoute', id, fence, (tenant) => {
            if (tenant.hosts.length === 0) return false;
            Object.assign(tenant, { hosts: [], upstream: '' });
            return true;
          }),
        activate: (id, fence) => transition('activate', id, fence, ['provisioning', 'terminating'], 'active'),
        beginTerminating: (id, fence) => transition('beginTerminating', id, fence, ['active'], 'terminating'),
        terminated: (id, fence) =>
          transition('terminated', id, fence, ['terminating'], 'terminated', (tenant) => {
            tenant.slug = '';
          }),
        addHold: (id, hold, fence) =>
          tenantChange('addHold', id, fence, (tenant) => !tenant.holds.includes(hold) && tenant.holds.push(hold) > 0),
        liftHold: (id, hold, fence) =>
          tenantChange('liftHold', id, fence, (tenant) => {
            if (!tenant.holds.includes(hold)) return false;
            tenant.holds = tenant.holds.filter((other) => other !== hold);
            return true;
          }),
        checkPlan: (_, plan) =>
          ask('tenants.checkPlan', () => {
            if (!plans.includes(plan)) throw new BurgageError('unknown_plan');
          }),
        changePlan: (id, plan, fence) =>
          tenantChange('changePlan', id, fence, (tenant) => {
            if (tenant.plan === plan) return false;
            tenant.plan = plan;
            return true;
          }),
        setMoving: (id, moving, fence) =>
          tenantChange(`setMoving ${moving}`, id, fence, (tenant) => {
            if (tenant.moving === moving) return false;
            tenant.moving = moving;
            return true;
          }),
        putUpstream: (name, address, fence) =>
          ask('tenants.putUpstream', () => {
            this.#enter('upstreams', name, fence);
            this.upstreams.set(name, address);
            this.revision += 1;
            return this.revision;
          }),
        removeUpstream: (name, fence) =>
          ask('tenants.removeUpstream', () => {
            if ([...this.tenants.values()].some(({ upstream }) => upstream === name)) throw new BurgageError('transition_not_allowed');
            this.#enter('upstreams', name, fence);
            if (this.upstreams.delete(name)) this.revision += 1;
            return this.revision;
          }),
        upstreams: () => this.#walk([...this.upstreams].map(([name, address]) => ({ name, addresses: [address] }))),
        endpoints: (name) =>
          ask('tenants.endpoints', () => {
            const address = this.upstreams.get(name);
            if (!address) throw new BurgageError('upstream_not_found');
            return [address];
          }),
        gatewaysAt: () => ask('tenants.gatewaysAt', () => ({ applied: 1, behind: 0 })),
      },
      app: {
        prepare: (at, tenant, fence) =>
          atSeat('prepare', at, tenant.id, fence, (key) => {
            const seat = this.seats.get(key);
            if (seat && !seat.unfinished) return;
            this.seats.set(key, { rows: [], isFrozen: false, owner: '' });
            changed(fence, `prepare ${key}`);
          }),
        remove: async (at, id, fence) => {
          await inPool('remove begins', at, id, fence, (key) => {
            const seat = this.seats.get(key);
            if (seat) this.seats.set(key, { ...seat, rows: seat.rows.slice(1), unfinished: 'removed' });
          });
          await atSeat('remove', at, id, fence, (key) => {
            if (this.seats.delete(key)) changed(fence, `remove ${key}`);
          });
        },
        putOwner: (at, id, email, fence) =>
          atSeat('putOwner', at, id, fence, (key) => {
            const seat = seatAt(key);
            if (seat.owner !== email) changed(fence, `putOwner ${key}`);
            seat.owner = email;
          }),
        removeOwner: (at, id, fence) =>
          atSeat('removeOwner', at, id, fence, (key) => {
            const seat = this.seats.get(key);
            if (seat) seat.owner = '';
          }),
        inviteOwner: (at, id, fence) => atSeat('inviteOwner', at, id, fence, (key) => `/welcome?${seatAt(key).owner}`),
        checkReady: (at, tenant) => atApp('checkReady', at, () => void seatAt(this.#seatKey(at, tenant.id))),
        freeze: (at, id, _, fence) =>
          atSeat('freeze', at, id, fence, (key) => {
            seatAt(key).isFrozen = true;
          }),
        thaw: (at, id, fence) =>
          atSeat('thaw', at, id, fence, (key) => {
            const seat = this.seats.get(key);
            if (seat) seat.isFrozen = false;
          }),
        digest: (at, id) => atApp('digest', at, () => digestOf(seatAt(this.#seatKey(at, id)).rows)),
        archive: (at, id) => atApp('archive', at, () => encoded([...seatAt(this.#seatKey(at, id)).rows])),
        restore: async (at, id, archive, fence) => {
          const rows = await decoded(archive);
          await inPool('restore begins', at, id, fence, (key) => {
            const seat = this.seats.get(key);
            if (seat?.unfinished !== 'replaced') seatAt(key);
            this.seats.set(key, { rows: rows.slice(1), isFrozen: true, owner: '', unfinished: 'replaced' });
          });
          return await atSeat('restore', at, id, fence, (key) => {
            if (at.place === 'own') seatAt(key);
            else if (this.seats.get(key)?.unfinished !== 'replaced') throw new BurgageError('fenced');
            this.seats.set(key, { rows, isFrozen: true, owner: this.#tenant(id).ownerEmail });
            return digestOf(rows);
          });
        },
        digestOfArchive: async (archive) => digestOf(await decoded(archive)),
        holdings: (at, _, after = '') =>
          this.#walk(
            [...this.seats]
              .flatMap(([key, { isFrozen, unfinished }]) => {
                const [address, place, tenantId = ''] = key.split('/');
                const holding = { tenantId, place: place as 'pool' | 'own', frozen: isFrozen, unfinished: unfinished !== undefined };
                return address === at.address && tenantId > after ? [holding] : [];
              })
              .toSorted((one, other) => (one.tenantId < other.tenantId ? -1 : 1)),
          ),
      },
      compute: {
        ensure: ({ name, tenantId }, fence) =>
          ask('compute.ensure', () => {
            this.#enter('compute', name, fence);
            const there = this.instances.get(name);
            if (there?.isRunning) return { address: there.address, detail: there.address };
            const address = there?.address ?? this.#newAddress();
            this.instances.set(name, { tenantId, address, isRunning: true });
            changed(fence, `ensure ${name}`);
            return { address, detail: address };
          }),
        remove: (name, fence) =>
          ask('compute.remove', () => {
            const instance = this.instances.get(name);
            this.#enter('compute', name, fence);
            if (!instance?.isRunning) return;
            instance.isRunning = false;
            for (const key of this.seats.keys()) if (key.startsWith(`${instance.address}/`)) this.seats.delete(key);
            changed(fence, `stop ${name}`);
          }),
        release: (name, fence) =>
          ask('compute.release', () => {
            const instance = this.instances.get(name);
            this.#enter('compute', name, fence);
            if (instance?.isRunning) throw new BurgageError('internal', { message: 'It runs.' });
            if (this.instances.delete(name)) changed(fence, `release ${name}`);
          }),
        list: () =>
          ask('compute.list', () =>
            [...this.instances].map(([name, { tenantId, address, isRunning }]) => ({
              name,
              tenantId,
              address,
              state: isRunning ? ('running' as const) : ('stopped' as const),
              restarts: 0,
              lastExit: '',
            })),
          ),
      },
      databases: { ensure: () => ask('databases.ensure', () => ({ needed: true, detail: 'a place' }) as const) },
      files: {
        ensure: (id, fence) =>
          ask('files.ensure', () => {
            this.#enter('files', id, fence);
            if (!this.files.has(id)) changed(fence, `files ${id}`);
            this.files.add(id);
            return { needed: true, detail: 'a folder' } as const;
          }),
        remove: (id, fence) =>
          ask('files.remove', () => {
            this.#enter('files', id, fence);
            if (this.files.delete(id)) changed(fence, `no files ${id}`);
          }),
        list: () => ask('files.list', () => [...this.files]),
      },
      archives: {
        write: async (name, source, fence, id) => {
          const rows = await decoded(source);
          return await ask('archives.write', () => {
            this.#enter('archives', id, fence);
            this.archives.set(name, JSON.stringify(rows));
            return { bytes: rows.length };
          });
        },
        read: (name) => {
          const kept = this.archives.get(name);
          if (kept === undefined) throw new BurgageError('not_found');
          return encoded(this.spoilsArchives ? ['something else'] : JSON.parse(kept));
        },
        remove: (name, fence, id) =>
          ask('archives.remove', () => {
            this.#enter('archives', id, fence);
            this.archives.delete(name);
          }),
      },
      certificates: { ensure: () => ask('certificates.ensure', () => ({ needed: false, reason: 'plain HTTP' }) as const) },
      dns: { ensure: () => ask('dns.ensure', () => ({ needed: false, reason: 'localhost' }) as const) },
      mail: {
        send: (id) =>
          ask('mail.send', () => {
            this.mails.set(id, (this.mails.get(id) ?? 0) + 1);
            return { needed: true, detail: 'sent' } as const;
          }),
      },
    };
  }

  async *#walk<T>(items: readonly T[]): AsyncGenerator<T> {
    yield* items;
  }

  #enter(driver: string, tenantId: string, { token }: Fence): void {
    const key = `${driver} ${tenantId}`;
    const seen = this.#fences.get(key) ?? 0;
    if (token < seen) {
      this.fenced += 1;
      throw new BurgageError('fenced', { metadata: { seen: String(seen) } });
    }
    this.#fences.set(key, token);
  }

  #tenant(idOrSlug: string): Tenant {
    const tenant = this.tenants.get(idOrSlug) ?? [...this.tenants.values()].find(({ slug }) => slug === idOrSlug && slug !== '');
    if (!tenant) throw new BurgageError('tenant_not_found');
    return tenant;
  }

  #addressFor({ upstream, isolation }: Tenant): Pick<AppAddress, 'address' | 'place'> {
    return { address: this.upstreams.get(upstream) ?? '', place: isolation === 'pool' ? 'pool' : 'own' };
  }

  #seatKey({ address, place }: Pick<AppAddress, 'address' | 'place'>, tenantId: string): string {
    return `${address}/${place}/${tenantId}`;
  }

  #newAddress(): string {
    this.#ports += 1;
    return `127.0.0.1:${this.#ports}`;
  }
}
