// Rounds of kill -9 at random moments over every kind of operation, and what must be true when each round is over.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContextKeyJwk, createContextIssuer } from '@burgage/app-kit';
import { dataPaths } from '@burgage/data-folder';
import { archiveKeyFrom, embeddedDrivers } from '@burgage/provisioner';
import { readReport, reportedNameOf, wantedNameOf } from '@burgage/provisioner/instances';
import { type Random, seededRandom, systemClock, systemRandom } from '@burgage/runtime';
import { type Hold, holds, type Isolation, isolations } from '@burgage/tenancy';
import { type Answer, type AskOptions, isAlive, Platform, type PlatformKind, until } from './platform.ts';

const planOf = { pool: 'trial', bridge: 'starter', silo: 'professional' } as const satisfies Record<Isolation, string>;
const plans = ['trial', 'starter', 'professional', 'enterprise'] as const;
const liveMax = 5;
const password = 'a long enough password';
/** Within it whatever was killed is back, and every operation has ended. */
const settleTimeoutMs = 90_000;
/** Between two writes of one tenant. */
const writeEveryMs = 120;

/** What a tenant is, as far as its operations have come. */
interface Standing {
  readonly state: 'absent' | 'active' | 'failed' | 'terminated';
  readonly isolation: Isolation;
  readonly plan: string;
  readonly holds: readonly Hold[];
}

interface Resident {
  readonly id: string;
  readonly slug: string;
  readonly owner: string;
  standing: Standing;
  session?: string;
  /** Names of contacts whose writing was answered with 201. */
  readonly acknowledged: Set<string>;
  /** Names of contacts whose writing was refused before it began. */
  readonly refused: Set<string>;
}

type Kind = 'provision' | 'suspend' | 'resume' | 'plan' | 'move' | 'terminate';

/** An operation that the platform has promised to carry out. */
interface Promised {
  readonly kind: Kind;
  readonly what: string;
  readonly resident: Resident;
  readonly id: string;
  /** What the tenant is once it has succeeded. */
  readonly after: (before: Standing) => Standing;
}

interface OperationView {
  readonly id: string;
  readonly state: string;
  readonly sequence: number;
  readonly error?: { readonly code: string; readonly message: string };
  readonly steps: readonly { readonly name: string; readonly state: string; readonly attempts: number; readonly detail?: string }[];
}

interface TenantView {
  readonly id: string;
  readonly slug?: string;
  readonly state: string;
  readonly isolation: string;
  readonly plan: string;
  readonly holds: readonly string[];
  readonly moving: boolean;
}

const ended: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'needs_attention']);

/** What the rounds came to, for whoever reads it. */
export interface Tally {
  rounds: number;
  readonly kills: Record<string, number>;
  /** By kind and end, such as `move succeeded`. */
  readonly ends: Record<string, number>;
  /** Why operations failed that nobody had cancelled. */
  readonly failures: Record<string, number>;
  writes: number;
}

const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** One platform that is kept over all rounds. The seed decides what is asked for and what is killed; the machine decides who is faster. */
export class CrashRounds {
  readonly tally: Tally = { rounds: 0, kills: {}, ends: {}, failures: {}, writes: 0 };
  readonly #kind: PlatformKind;
  readonly #random: Random;
  readonly #residents = new Map<string, Resident>();
  #platform: Platform;
  #token: string;
  #round = 0;
  #asked = 0;
  /** What was done in this round, in order. */
  #diary: string[] = [];

  private constructor(kind: PlatformKind, platform: Platform, token: string, seed: number) {
    this.#kind = kind;
    this.#platform = platform;
    this.#token = token;
    this.#random = seededRandom(seed);
  }

  static async start(kind: PlatformKind, seed: number): Promise<CrashRounds> {
    const platform = await Platform.start(kind);
    const token = (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim();
    return new CrashRounds(kind, platform, token, seed);
  }

  async remove(): Promise<void> {
    await this.#platform.remove();
  }

  get data(): string {
    return this.#platform.data;
  }

  get diary(): readonly string[] {
    return this.#diary;
  }

  /** Asks, kills, waits, and looks. */
  async round(): Promise<void> {
    this.#round += 1;
    this.#diary = [`round ${this.#round}`];
    try {
      const stop = new AbortController();
      const writing = [...this.#residents.values()].map((resident) => this.#write(resident, stop.signal));
      let promised: readonly Promised[];
      try {
        const killing = this.#kill();
        promised = await this.#askAll();
        await killing;
        await this.#settle(promised);
      } finally {
        stop.abort();
        await Promise.all(writing);
      }
      await this.#check();
      await this.#admit();
      this.tally.rounds += 1;
    } catch (error) {
      throw new Error(`${this.#diary.join('\n')}\n${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }

  /** Lifts every hold, so that the rows of each tenant can be counted once more. */
  async finish(): Promise<void> {
    this.#diary = ['the end'];
    for (const resident of this.#residents.values()) {
      for (const hold of resident.standing.holds) {
        const promised = await this.#ask(resident, 'resume', { hold }, hold, (before) => ({
          ...before,
          holds: without(before.holds, hold),
        }));
        if (promised) await this.#settle([promised]);
      }
    }
    await this.#check();
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.float() * from.length)] as T;
  }

  #note(text: string): void {
    this.#diary.push(`${Math.round(performance.now()) / 1_000} ${text}`);
  }

  #api(path: string, options: AskOptions = {}): Promise<Answer> {
    return inTime(
      this.#platform.ask('api', path, { ...options, headers: { authorization: `Bearer ${this.#token}`, ...options.headers } }),
      path,
    );
  }

  /** Asks again until somebody who knows has answered. */
  async #surely(path: string, options: AskOptions = {}): Promise<Answer> {
    return await until(
      `an answer to ${path}`,
      async () => {
        const answer = await this.#api(path, options).catch(() => undefined);
        return answer !== undefined && answer.status < 500 && answer.status !== 429 ? answer : undefined;
      },
      settleTimeoutMs,
    );
  }

  // What is asked for.

  async #askAll(): Promise<readonly Promised[]> {
    const promised: Promised[] = [];
    const jobs: Promise<void>[] = [];
    const at = (): number => this.#random.float() * 400;
    const keep = (one: Promised | undefined): void => {
      if (one) promised.push(one);
    };
    const live = [...this.#residents.values()].filter(({ standing }) => standing.state === 'active');
    const arrivals = live.length < 2 ? 2 : live.length < liveMax && this.#random.float() < 0.6 ? 1 : 0;
    for (let index = 0; index < arrivals; index += 1) {
      const isolation = this.#pick(isolations);
      const meddle = this.#meddling(0.15);
      jobs.push(
        this.#later(at(), async () => {
          const one = await this.#signUp(isolation);
          keep(one);
          await meddle(one);
        }),
      );
    }
    for (const resident of live) {
      if (this.#random.float() > 0.7) continue;
      // Two in a row for some: the second is decided while the first is at work.
      const wishes = Array.from({ length: this.#random.float() < 0.25 ? 2 : 1 }, () => this.#wish(resident, live.length));
      const meddle = this.#meddling(0.25);
      jobs.push(
        this.#later(at(), async () => {
          for (const wish of wishes) {
            const one = await wish();
            keep(one);
            if (one) await meddle(one);
          }
        }),
      );
    }
    await Promise.all(jobs);
    return promised;
  }

  async #later(delayMs: number, work: () => Promise<void>): Promise<void> {
    await sleep(delayMs);
    await work();
  }

  /** Something that the tenant's state allows, or did when it was thought of. */
  #wish(resident: Resident, living: number): () => Promise<Promised | undefined> {
    const { standing } = resident;
    const kinds: Kind[] = ['move', 'move', 'move', 'plan', 'suspend'];
    if (standing.holds.length > 0) kinds.push('resume', 'resume', 'resume');
    if (living > 2) kinds.push('terminate');
    switch (this.#pick(kinds)) {
      case 'suspend': {
        const hold = this.#pick(
          holds.filter((one) => !standing.holds.includes(one)).length > 0 ? without(holds, ...standing.holds) : holds,
        );
        return () =>
          this.#ask(resident, 'suspend', { hold }, hold, (before) => ({ ...before, holds: [...without(before.holds, hold), hold] }));
      }
      case 'resume': {
        const hold = this.#pick(standing.holds);
        return () => this.#ask(resident, 'resume', { hold }, hold, (before) => ({ ...before, holds: without(before.holds, hold) }));
      }
      case 'plan': {
        const plan = this.#pick(plans.filter((one) => one !== standing.plan));
        return () => this.#ask(resident, 'plan', { plan }, plan, (before) => ({ ...before, plan }));
      }
      case 'terminate':
        return () =>
          this.#ask(resident, 'terminate', { confirm: resident.slug, now: true }, 'now', (before) => ({ ...before, state: 'terminated' }));
      default: {
        const isolation = this.#pick(isolations.filter((one) => one !== standing.isolation));
        return () => this.#ask(resident, 'move', { isolation }, `to ${isolation}`, (before) => ({ ...before, isolation }));
      }
    }
  }

  async #signUp(isolation: Isolation): Promise<Promised> {
    const number = ++this.#asked;
    const owner = `owner${number}@crash.test`;
    const plan = planOf[isolation];
    const answer = await this.#surely('/v1/tenants', {
      headers: { 'idempotency-key': `sign-up-${number}` },
      json: { company: `Crash Test ${number}`, plan, owner, slug: `crash-${number}` },
    });
    assert.equal(answer.status, 202, answer.body);
    const { tenant, operation } = answer.json<{ tenant: TenantView; operation: OperationView }>();
    const resident: Resident = {
      id: tenant.id,
      slug: `crash-${number}`,
      owner,
      standing: { state: 'absent', isolation, plan, holds: [] },
      acknowledged: new Set(),
      refused: new Set(),
    };
    this.#residents.set(resident.id, resident);
    this.#note(`asked: provision ${resident.slug} ${isolation}`);
    return { kind: 'provision', what: isolation, resident, id: operation.id, after: (before) => ({ ...before, state: 'active' }) };
  }

  async #ask(
    resident: Resident,
    kind: Exclude<Kind, 'provision'>,
    body: object,
    what: string,
    after: Promised['after'],
  ): Promise<Promised | undefined> {
    const key = `${kind}-${++this.#asked}`;
    const answer = await this.#surely(`/v1/tenants/${resident.id}/${kind}`, { headers: { 'idempotency-key': key }, json: body });
    if (answer.status !== 202) {
      // The one before it has been faster than the asking.
      assert.equal(answer.json().code, 'transition_not_allowed', `${kind} ${what} of ${resident.slug}: ${answer.status} ${answer.body}`);
      this.#note(`refused: ${kind} ${what} of ${resident.slug}: ${answer.json().detail}`);
      return undefined;
    }
    this.#note(`asked: ${kind} ${what} of ${resident.slug}, which lives in ${resident.standing.isolation}`);
    return { kind, what, resident, id: answer.json<{ operation: OperationView }>().operation.id, after };
  }

  /** Somebody who cancels some operations after a while, and has others try again. */
  #meddling(share: number): (promised: Promised) => Promise<void> {
    if (this.#random.float() >= share) return async () => undefined;
    const delayMs = this.#random.float() * 600;
    const [verb, tooLate] =
      this.#random.float() < 0.7 ? (['cancel', 'cancel_too_late'] as const) : (['retry', 'retry_not_possible'] as const);
    return async ({ kind, what, resident, id }) => {
      await sleep(delayMs);
      const answer = await this.#surely(`/v1/operations/${id}/${verb}`, { method: 'POST' });
      if (answer.status !== 202) assert.equal(answer.json().code, tooLate, answer.body);
      this.#note(`${verb} (${answer.status}): ${kind} ${what} of ${resident.slug}`);
    };
  }

  // What is killed.

  async #kill(): Promise<void> {
    const kills = Array.from({ length: 1 + Math.floor(this.#random.float() * 3) }, () => ({
      delayMs: 20 + this.#random.float() * 900,
      share: this.#random.float(),
      which: this.#random.float(),
    }));
    for (const { delayMs, share, which } of kills) {
      await sleep(delayMs);
      if (share < 0.1) await this.#killAll();
      else if (share < 0.3) await this.#killInstance(which);
      else {
        const { control, gateways, app } = this.#kind;
        const group = share < 0.65 ? control : share < 0.8 ? gateways : [app];
        const name = group[Math.floor(which * group.length)] as string;
        this.#killed(name, await this.#platform.pidOf(name));
      }
    }
  }

  #killed(name: string, pid: number): void {
    // It may have been killed a moment before, and not be back.
    if (!isAlive(pid)) return;
    process.kill(pid, 'SIGKILL');
    this.#note(`killed: ${name}`);
    const what = name.endsWith('-silo') ? 'instance' : name;
    this.tally.kills[what] = (this.tally.kills[what] ?? 0) + 1;
  }

  async #killInstance(which: number): Promise<void> {
    const running = await this.#running();
    const one = running[Math.floor(which * running.length)];
    if (one) this.#killed(one.name, one.pid);
    else this.#killed(this.#kind.app, await this.#platform.pidOf(this.#kind.app));
  }

  async #killAll(): Promise<void> {
    this.#killed('supervisor', this.#platform.pid);
    await this.#platform.kill();
    this.#platform = await this.#platform.startAgain();
    this.#note('started again');
  }

  async #running(): Promise<readonly { readonly name: string; readonly pid: number }[]> {
    const folder = dataPaths(this.data).instances;
    const names = (await readdir(folder)).flatMap((file) => reportedNameOf(file) ?? []).toSorted();
    const reports = await Promise.all(names.map((name) => readReport(folder, name)));
    return reports.flatMap((report) => (report?.pid === undefined ? [] : [{ name: report.name, pid: report.pid }]));
  }

  // What tenants write meanwhile.

  async #write(resident: Resident, signal: AbortSignal): Promise<void> {
    for (let number = 1; !signal.aborted && resident.session !== undefined; number += 1) {
      const name = `${resident.slug} row ${this.#round}.${number}`;
      const answer = await inTime(
        this.#platform.ask(resident.slug, '/api/contacts', { headers: { authorization: `Bearer ${resident.session}` }, json: { name } }),
        `the write of ${name}`,
      ).catch((error) => {
        if (String(error).includes('no answer')) throw error;
      });
      // Whoever was answered with a failure, or not at all, cannot know.
      if (answer?.status === 201) resident.acknowledged.add(name);
      else if (answer && answer.status < 500) resident.refused.add(name);
      this.tally.writes += answer?.status === 201 ? 1 : 0;
      await sleep(writeEveryMs);
    }
  }

  // What has come of it.

  async #settle(promised: readonly Promised[]): Promise<void> {
    for (const one of promised) {
      const { kind, what, resident, id } = one;
      let last: OperationView | undefined;
      const operation = await until(
        `the end of ${kind} ${what} of ${resident.slug}`,
        async () => {
          last = (await this.#surely(`/v1/operations/${id}`)).json<OperationView>();
          return ended.has(last.state) ? last : undefined;
        },
        settleTimeoutMs,
      ).catch(async (error) => {
        throw new Error(`${error.message}\n${JSON.stringify(last, undefined, 1)}`);
      });
      const end = `${kind} ${operation.state}`;
      const tries = operation.steps.filter(({ attempts }) => attempts > 1).map(({ name, attempts }) => `${name} ×${attempts}`);
      this.#note(`ended: ${kind} ${what} of ${resident.slug}: ${operation.state} ${operation.error?.message ?? ''} ${tries.join(', ')}`);
      this.tally.ends[end] = (this.tally.ends[end] ?? 0) + 1;
      assert.notEqual(operation.state, 'needs_attention', JSON.stringify(operation, undefined, 1));
      await this.#checkProgress(operation);
      if (operation.state === 'failed') {
        const why = `${kind}: ${operation.error?.code}`;
        this.tally.failures[why] = (this.tally.failures[why] ?? 0) + 1;
      }
      if (operation.state === 'succeeded') {
        resident.standing = one.after(resident.standing);
        if (kind === 'terminate') await this.#checkBackup(resident, id);
      } else if (kind === 'provision') resident.standing = { ...resident.standing, state: 'failed' };
    }
  }

  /** Its log is told whole and in order, each entry once. */
  async #checkProgress({ id, sequence }: OperationView): Promise<void> {
    const told = await until(`the progress of ${id}`, async () => {
      const { body } = await this.#surely(`/v1/operations/${id}/progress`);
      // One that was cut off is asked for again.
      return body.includes('event: end') ? body : undefined;
    });
    const entries = [...told.matchAll(/^event: progress\ndata: .*\nid: (\d+)$/gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      entries,
      Array.from({ length: sequence }, (_, index) => index + 1),
      `the progress of ${id}: ${told}`,
    );
  }

  async #check(): Promise<void> {
    for (const resident of this.#residents.values()) {
      await this.#checkStanding(resident);
      if (isServed(resident.standing) && resident.session !== undefined) this.#checkRows(resident, await this.#rowsOf(resident));
    }
    const orphans = (await this.#surely('/v1/orphans')).json<{ items: unknown[] }>().items;
    assert.deepEqual(orphans, [], 'orphans');
    await this.#checkLeftovers();
    // Nothing more can come of those: they were looked at for the last time.
    for (const [id, { standing }] of this.#residents) if (standing.state !== 'active') this.#residents.delete(id);
  }

  async #checkStanding({ id, slug, standing }: Resident): Promise<void> {
    const tenant = (await this.#surely(`/v1/tenants/${id}`)).json<TenantView>();
    const { state, isolation, plan } = tenant;
    assert.deepEqual(
      { state, isolation, plan, holds: tenant.holds.toSorted(), moving: tenant.moving },
      { ...standing, holds: standing.holds.toSorted(), moving: false },
      `the tenant ${slug}`,
    );
    const expected = answerOf(standing);
    let last = '';
    await until(`${slug} answers with ${expected}`, async () => {
      const answer = await inTime(this.#platform.ask(slug, '/'), `GET / of ${slug}`).catch(() => undefined);
      last = `${answer?.status} ${answer?.body.slice(0, 300)}`;
      return answer?.status === expected;
    }).catch((error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(standing)} and answered ${last}`);
    });
  }

  async #rowsOf(resident: Resident): Promise<readonly string[]> {
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const query = `limit=100${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const page = await until(`the rows of ${resident.slug}`, async () => {
        const answer = await this.#platform
          .ask(resident.slug, `/api/contacts?${query}`, { headers: { authorization: `Bearer ${resident.session}` } })
          .catch(() => undefined);
        assert.notEqual(answer?.status, 401, `the session of ${resident.slug} is gone`);
        return answer?.status === 200 ? answer.json<{ items: { name: string }[]; nextCursor?: string }>() : undefined;
      });
      names.push(...page.items.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return names;
  }

  #checkRows({ slug, acknowledged, refused }: Resident, names: readonly string[]): void {
    const found = new Set(names);
    assert.equal(found.size, names.length, `${slug} has rows twice`);
    assert.deepEqual(
      [...acknowledged].filter((name) => !found.has(name)),
      [],
      `rows of ${slug} that were acknowledged and are gone`,
    );
    assert.deepEqual(
      [...refused].filter((name) => found.has(name)),
      [],
      `rows of ${slug} that were refused and are there`,
    );
    assert.deepEqual(
      names.filter((name) => !name.startsWith(`${slug} row `)),
      [],
      `rows of others at ${slug}`,
    );
  }

  /** The last backup has every row as well. */
  async #checkBackup(resident: Resident, operationId: string): Promise<void> {
    const paths = dataPaths(this.data);
    const { keys } = JSON.parse(await readFile(paths.contextKeys, 'utf8')) as { readonly keys: ContextKeyJwk[] };
    const { archives } = embeddedDrivers({
      issuer: createContextIssuer(keys, { now: () => systemClock.now() }),
      readyPath: '/readyz',
      appFolder: join(paths.apps, this.#kind.app),
      appsFolder: paths.apps,
      instancesFolder: paths.instances,
      instanceLogsFolder: paths.instanceLogs,
      filesFolder: paths.files,
      archivesFolder: paths.archives,
      archiveKey: await archiveKeyFrom(paths.archiveKey),
      fencesFolder: paths.fences,
      mailFolder: paths.mail,
      urlOf: () => '',
      clock: systemClock,
      random: systemRandom,
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of archives.read(`${resident.id}/${operationId}`, AbortSignal.timeout(10_000))) chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString('utf8').trim().split('\n');
    const batches = lines.map((line) => JSON.parse(line) as { readonly t?: string; readonly r?: readonly (readonly unknown[])[] });
    const values = batches.filter(({ t }) => t === 'contacts').flatMap(({ r = [] }) => r.flat());
    const names = values.filter((value): value is string => typeof value === 'string' && value.includes(' row '));
    this.#checkRows(resident, names);
  }

  /** Files, ports and processes are those of the tenants that live, and of nobody else. */
  async #checkLeftovers(): Promise<void> {
    const paths = dataPaths(this.data);
    const living = [...this.#residents.values()].filter(({ standing }) => standing.state === 'active');
    const silos = living.filter(({ standing }) => standing.isolation === 'silo').map(({ id }) => `${id.toLowerCase()}-silo`);
    const entries = async (folder: string): Promise<readonly string[]> => (await readdir(folder)).toSorted();
    const mails = (await entries(paths.mail)).filter((name) => name.endsWith('.eml'));
    assert.equal(mails.length, this.tally.ends['provision succeeded'] ?? 0, 'mails of welcome');
    assert.deepEqual(await entries(paths.files), living.map(({ id }) => id).toSorted(), 'folders of files');
    assert.deepEqual(await entries(paths.apps), [this.#kind.app, ...silos].toSorted(), 'folders of apps');
    assert.deepEqual(
      (await entries(paths.instances)).flatMap((file) => wantedNameOf(file) ?? []),
      silos.toSorted(),
      'instances and their ports',
    );
    assert.deepEqual(
      (await entries(paths.archives)).filter((name) => name.includes('.part')),
      [],
      'parts of archives',
    );
    await until('every instance runs', async () => {
      const running = await this.#running();
      return running.length === silos.length && running.every(({ pid }) => isAlive(pid));
    });
    let strangers: readonly string[] = [];
    await until('no process is left that nobody owns', async () => {
      const pids = await Promise.all(this.#platform.processNames.map((name) => this.#platform.pidOf(name)));
      const owned = new Set([this.#platform.pid, ...pids, ...(await this.#running()).map(({ pid }) => pid)]);
      strangers = (await this.#processes()).filter(({ pid }) => !owned.has(pid)).map(({ pid, command }) => `${pid} ${command}`);
      return strangers.length === 0;
    }).catch((error) => {
      throw new Error(`${error.message}:\n${strangers.join('\n')}`);
    });
  }

  /** Every process that was started with this data folder; none where the system does not say. */
  async #processes(): Promise<readonly { readonly pid: number; readonly command: string }[]> {
    const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
    const all = await Promise.all(
      pids.map(async (pid) => ({
        pid: Number(pid),
        command: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '),
      })),
    );
    return all.filter(({ pid, command }) => pid !== process.pid && command.includes(this.data));
  }

  /** Those who came in this round sign in, so that they write in the next. */
  async #admit(): Promise<void> {
    for (const resident of this.#residents.values()) {
      if (resident.session !== undefined || !isServed(resident.standing)) continue;
      resident.session = await this.#platform.signInAsOwner(resident.slug, resident.owner, password);
    }
  }
}

function isServed({ state, holds: held }: Standing): boolean {
  return state === 'active' && held.length === 0;
}

function answerOf({ state, holds: held }: Standing): number {
  if (state !== 'active') return 404;
  if (held.includes('operator')) return 403;
  return held.length > 0 ? 402 : 200;
}

function without(all: readonly Hold[], ...some: readonly Hold[]): readonly Hold[] {
  return all.filter((one) => !some.includes(one));
}

/** Nobody may be kept waiting for ever. */
async function inTime(answer: Promise<Answer>, what: string): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within 40 s`)), 40_000);
  });
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
