// Moves under load: clients write while their tenant is moved, cancelled on its way, or sent to an instance that never runs.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Operation } from '@burgage/api';
import { readReport } from '@burgage/provisioner/instances';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Operator } from './operator.ts';
import { Platform, until } from './platform.ts';
import { pauseIn, Writers } from './writers.ts';

const password = 'a long enough password';
const clients = 6;
const neighbours = 2;
/** Of one client between two writes: all clients together stay below what the largest plan lets through in a second. */
const pauseMs = 8;
/** Between two moves, so that each has writes before it and after it. */
const betweenMs = 300;

interface Tenant {
  readonly id: string;
  readonly slug: string;
  readonly token: string;
}

let platform: Platform;
let operator: Operator;
let moving: Tenant;
let neighbour: Tenant;
let writers: readonly Writers[] = [];

/** In the shared app, with the limits of the largest plan. */
async function tenant(company: string, owner: string): Promise<Tenant> {
  const { id, slug } = await platform.createTenant(company, owner);
  const { id: operation } = await operator.change(id, 'plan', { plan: 'enterprise' });
  expect((await operator.ended(operation)).state).toBe('succeeded');
  return { id, slug, token: await platform.signInAsOwner(slug, owner, password) };
}

beforeAll(async () => {
  platform = await Platform.start();
  operator = await Operator.of(platform);
  moving = await tenant('Wandernde Möbel', 'moving@owner.test');
  neighbour = await tenant('Bleibende Möbel', 'staying@owner.test');
}, 60_000);

afterEach(async () => {
  await Promise.all(writers.map((one) => one.stop()));
  writers = [];
});

afterAll(() => platform?.remove());

let round = 0;

/** Both tenants are written to from now on. */
async function underLoad(): Promise<readonly [Writers, Writers]> {
  round += 1;
  const load = (of: Tenant, count: number, prefix: string): Writers =>
    new Writers({
      port: platform.port,
      host: `${of.slug}.localhost:${platform.port}`,
      token: of.token,
      clients: count,
      prefix: `${prefix} ${round}`,
      pauseMs,
    });
  const both = [load(moving, clients, 'moving'), load(neighbour, neighbours, 'staying')] as const;
  writers = both;
  await wroteOn(both[0]);
  return both;
}

/** Resolves when some more writes were taken. */
async function wroteOn(one: Writers): Promise<void> {
  const before = one.accepted.length;
  await until('writes are taken', async () => one.accepted.length > before + 2 * clients);
  await sleep(betweenMs);
}

/** Every write that was taken is there once, none that was refused is, and every refusal said that the tenant is on the move. */
async function expectExactlyWhatWasTaken(one: Writers, all: readonly Writers[]): Promise<void> {
  const names = await one.names();
  expect(one.broken).toEqual([]);
  const others = one.refused.filter(
    ({ status, code, retryAfter }) => status !== 503 || code !== 'tenant_moving' || !(Number(retryAfter) > 0),
  );
  expect(others).toEqual([]);
  const there = new Set(names);
  expect(names).toHaveLength(there.size);
  expect(one.accepted.filter(({ name }) => !there.has(name))).toEqual([]);
  expect(one.refused.filter(({ name }) => there.has(name))).toEqual([]);
  const foreign = all.filter((other) => other !== one).flatMap(({ answers }) => answers.map(({ name }) => name));
  expect(foreign.filter((name) => there.has(name))).toEqual([]);
  // Nobody else's, nor anything that nobody wrote: what came before this round was counted by its own.
  const written = new Set(one.accepted.map(({ name }) => name));
  expect(names.filter((name) => name.startsWith(`${one.prefix} `) && !written.has(name))).toEqual([]);
}

/** Requests that the gateway has held and then let go. */
async function heldAndServed(): Promise<number> {
  const metrics = await fetch((await platform.readyUrlOf('gateway')).replace('/healthz', '/metrics'));
  return Number(/^burgage_gateway_requests_held_total\{outcome="served"\} (\d+)/m.exec(await metrics.text())?.[1] ?? 0);
}

async function isolationOf({ id }: Tenant): Promise<string> {
  return (await operator.get(`/v1/tenants/${id}`)).json<{ isolation: string }>().isolation;
}

async function expectNothingLeft(): Promise<void> {
  const orphans = await platform.cli('orphans', '-o', 'json');
  expect(JSON.parse(orphans.stdout).items).toEqual([]);
}

/** Milliseconds from the end of one step's run to the end of another's. */
function between(operation: Operation, from: string, to: string): number {
  const at = (name: string): number => Date.parse(operation.steps.find((step) => step.name === name)?.endedAt ?? '');
  return at(to) - at(from);
}

test('every write that was taken is there once, after moves in every direction', { timeout: 120_000 }, async () => {
  const [load, aside] = await underLoad();
  const lines: string[] = [];
  for (const to of ['bridge', 'silo', 'pool', 'silo', 'bridge', 'pool']) {
    const heldBefore = await heldAndServed();
    const fromMs = performance.now();
    const operation = await operator.ended((await operator.change(moving.id, 'move', { isolation: to })).id);
    expect(operation, JSON.stringify(operation.error)).toMatchObject({ state: 'succeeded' });
    expect(await isolationOf(moving)).toBe(to);
    await wroteOn(load);
    expect(await heldAndServed(), `${operation.summary}: held meanwhile`).toBeGreaterThan(heldBefore);
    const pause = pauseIn(load.answers, fromMs, performance.now());
    const neighbourPause = pauseIn(aside.answers, fromMs, performance.now());
    lines.push(
      [
        String(operation.summary).padEnd(15),
        `no write for ${pause.withoutWriteMs.toFixed(0).padStart(5)} ms`,
        `held ${pause.heldMs.toFixed(0).padStart(5)} ms`,
        `${pause.refused} refused`,
        `closed by the steps for ${between(operation, 'hold', 'release')} ms`,
        `the neighbour's longest ${neighbourPause.withoutWriteMs.toFixed(0)} ms`,
      ].join('   '),
    );
  }
  await load.stop();
  await aside.stop();
  await expectExactlyWhatWasTaken(load, [load, aside]);
  await expectExactlyWhatWasTaken(aside, [load, aside]);
  await expectNothingLeft();
  expect(aside.refused).toEqual([]);
  console.log(
    `${lines.join('\n')}\n${load.accepted.length} writes taken, ${load.refused.length} refused; ${aside.accepted.length} beside it`,
  );
});

test('a move that is cancelled in the middle ends where it began, with everything', { timeout: 60_000 }, async () => {
  const [load, aside] = await underLoad();
  const { id } = await operator.change(moving.id, 'move', { isolation: 'silo' });
  await until('the instance is being started', async () =>
    (await operator.operation(id)).steps.some(({ name, state }) => name === 'compute' && state === 'running'),
  );
  expect((await operator.post(`/v1/operations/${id}/cancel`)).status).toBe(202);
  expect((await operator.ended(id)).state).toBe('cancelled');
  expect(await isolationOf(moving)).toBe('pool');
  await wroteOn(load);
  await expectExactlyWhatWasTaken(load, [load, aside]);
  await expectExactlyWhatWasTaken(aside, [load, aside]);
  await expectNothingLeft();
});

test('a move to an instance that never runs ends where it began, with everything', { timeout: 180_000 }, async () => {
  const [load, aside] = await underLoad();
  const { id } = await operator.change(moving.id, 'move', { isolation: 'silo' });
  const killing = new AbortController();
  let kills = 0;
  const killer = (async () => {
    while (!killing.signal.aborted) {
      const report = await readReport(join(platform.data, 'instances'), `${moving.id.toLowerCase()}-silo`);
      if (report?.pid !== undefined && (report.state === 'starting' || report.state === 'running')) kills += killed(report.pid);
      await sleep(10);
    }
  })();
  try {
    const ended = await operator.ended(id, 150_000);
    expect(ended).toMatchObject({ state: 'failed', error: { code: 'app_unhealthy' } });
    expect(kills).toBeGreaterThan(2);
  } finally {
    killing.abort();
    await killer;
  }
  expect(await isolationOf(moving)).toBe('pool');
  await wroteOn(load);
  await expectExactlyWhatWasTaken(load, [load, aside]);
  await expectExactlyWhatWasTaken(aside, [load, aside]);
  await expectNothingLeft();
  expect(await readFile(join(platform.data, 'logs', 'supervisor.log'), 'utf8')).toContain(`${moving.id.toLowerCase()}-silo`);
});

function killed(pid: number): number {
  try {
    process.kill(pid, 'SIGKILL');
    return 1;
  } catch {
    return 0;
  }
}
