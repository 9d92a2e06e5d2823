// ResolveHost beside a bare grpc-js echo, in calls a second: servers and loads in processes of their own, in turns.
//
//   node packages/rpc/bench/resolve.ts
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDevelopmentCa, type TlsFiles } from '@burgage/rpc';
import { systemClock, systemRandom } from '@burgage/runtime';
import type { Measured, Peer, Round } from './resolve-peer.ts';

export interface ResolveBenchOptions {
  /** A registry that runs, to be measured beside: its address, who asks it, and a host that it knows. */
  readonly registry?: { readonly address: string; readonly tls: TlsFiles; readonly host: string };
  /** Default 13; the first, which warms up, does not count. */
  readonly rounds?: number;
  /** How long each contestant is called in a round; default 500: short, because what runs on a machine besides changes. */
  readonly roundMs?: number;
}

interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly atLeast?: number;
}

const inFlight = 64;
/** Each with a connection of its own. */
const loads = 2;
const shareAsked = 60;

/**
 * What one server does a second with 64 calls waiting, over mutual TLS and over a Unix socket: a grpc-js server that
 * sends back the bytes that came, and our stack that decodes, answers as a registry does from memory, and encodes; both
 * ends. All take turns in every round; what counts is the best one of each. Takes about half a minute.
 */
export async function runResolveBench({ registry, rounds = 13, roundMs = 500 }: ResolveBenchOptions = {}): Promise<readonly Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-rpc-bench-'));
  const children: ChildProcess[] = [];
  try {
    const ca = await createDevelopmentCa({ folder: join(folder, 'ca'), clock: systemClock, random: systemRandom });
    const [server, client] = [await ca.issue('registry'), await ca.issue('gateway')];
    const host = 'acme.example.com';
    const start = async (peer: Peer): Promise<unknown> => {
      const child = fork(join(import.meta.dirname, 'resolve-peer.ts'), [JSON.stringify(peer)]);
      children.push(child);
      return (await once(child, 'message'))[0];
    };
    const loadOn = async (target: Omit<Peer, 'role' | 'inFlight'>): Promise<ChildProcess[]> => {
      const from = children.length;
      for (let count = 0; count < loads; count++) await start({ role: 'load', inFlight: inFlight / loads, ...target });
      return children.slice(from);
    };
    const contestant = async (stack: Peer['stack'], socket: string | undefined): Promise<Contestant> => {
      const [address, serverTls, tls] = socket === undefined ? ['127.0.0.1:0', server, client] : [`unix:${join(folder, socket)}`];
      const bound = await start({ role: 'server', stack, address, tls: serverTls, host, inFlight });
      const serving = children.at(-1);
      return { serving, calling: await loadOn({ stack, address: String(bound), tls, host }), perSecond: [], cpuMicroseconds: [] };
    };
    const pairs = [
      { transport: 'TCP with mutual TLS', bare: await contestant('bare', undefined), ours: await contestant('ours', undefined) },
      { transport: 'a Unix socket', bare: await contestant('bare', 'bare.sock'), ours: await contestant('ours', 'ours.sock') },
    ];
    const given: Contestant | undefined = registry && {
      serving: undefined,
      calling: await loadOn({ stack: 'ours', ...registry }),
      perSecond: [],
      cpuMicroseconds: [],
    };
    const all = [...pairs.flatMap(({ bare, ours }) => [bare, ours]), ...(given === undefined ? [] : [given])];
    for (let round = 0; round < rounds; round++) {
      // Warm first, then the other way round each time.
      const durationMs = round === 0 ? 4 * roundMs : roundMs;
      for (const one of round % 2 === 0 ? all : all.toReversed()) await measure(one, durationMs);
    }
    const rows = pairs.flatMap(({ transport, bare, ours }) => [
      { what: `echo of bare grpc-js over ${transport}`, value: best(bare), unit: '/s' },
      { what: `ResolveHost of our stack over ${transport}`, value: best(ours), unit: '/s' },
      { what: `share of the bare echo over ${transport}`, value: share(ours, bare), unit: '%', atLeast: shareAsked },
      { what: `CPU of an echo of bare grpc-js over ${transport}, both ends`, value: median(bare.cpuMicroseconds), unit: 'µs' },
      { what: `CPU of ResolveHost of our stack over ${transport}, both ends`, value: median(ours.cpuMicroseconds), unit: 'µs' },
    ]);
    const [overTcp] = pairs;
    if (given === undefined || overTcp === undefined) return rows;
    return [
      ...rows,
      { what: 'ResolveHost of the registry', value: best(given), unit: '/s' },
      { what: 'share of the bare echo over TCP with mutual TLS', value: share(given, overTcp.bare), unit: '%', atLeast: shareAsked },
    ];
  } finally {
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Contestant {
  /** Undefined where it was there before us. */
  readonly serving: ChildProcess | undefined;
  readonly calling: readonly ChildProcess[];
  /** Of each round. */
  readonly perSecond: number[];
  readonly cpuMicroseconds: number[];
}

async function measure({ serving, calling, perSecond, cpuMicroseconds }: Contestant, runMs: number): Promise<void> {
  const called = await Promise.all(calling.map((load) => told(load, runMs)));
  const served = serving === undefined ? [] : [await told(serving, 0)];
  const calls = called.reduce((sum, load) => sum + load.calls, 0);
  perSecond.push(called.reduce((sum, load) => sum + load.calls / load.seconds, 0));
  cpuMicroseconds.push(([...called, ...served].reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) * 1_000_000) / calls);
}

async function told(child: ChildProcess, runMs: number): Promise<Measured> {
  const answer = once(child, 'message');
  child.send({ runMs } satisfies Round);
  return (await answer)[0];
}

/** Without the round that warmed up. */
function measured({ perSecond }: Contestant): number[] {
  return perSecond.slice(1);
}

/** The best round, when the machine was left to us: others only ever take from it. */
function best(contestant: Contestant): number {
  return Math.max(...measured(contestant));
}

function share(one: Contestant, other: Contestant): number {
  return (100 * best(one)) / best(other);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.main) {
  for (const { what, value, unit } of await runResolveBench())
    process.stdout.write(`${what.padEnd(70)} ${value.toFixed(0).padStart(8)} ${unit}\n`);
}
