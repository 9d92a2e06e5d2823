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
 * ends. The share is the median over the rounds, in each of which all take turns. Takes about half a minute.
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
    const contestant = async (stack: Peer['stack'], socket: string | undefined): Promise<Contestant> => {
      const [address, serverTls, tls] = socket === undefined ? ['127.0.0.1:0', server, client] : [`unix:${join(folder, socket)}`];
      const bound = await start({ role: 'server', stack, address, tls: serverTls, host, inFlight });
      return await loadOn({ stack, address: String(bound), tls, host });
    };
    const loadOn = async (target: Omit<Peer, 'role' | 'inFlight'>): Promise<Contestant> => {
      const from = children.length;
      for (let count = 0; count < loads; count++) await start({ role: 'load', inFlight: inFlight / loads, ...target });
      return { loads: children.slice(from), perSecond: [] };
    };
    const pairs = [
      { transport: 'TCP with mutual TLS', bare: await contestant('bare', undefined), ours: await contestant('ours', undefined) },
      { transport: 'a Unix socket', bare: await contestant('bare', 'bare.sock'), ours: await contestant('ours', 'ours.sock') },
    ];
    const given = registry === undefined ? undefined : await loadOn({ stack: 'ours', ...registry });
    const all = [...pairs.flatMap(({ bare, ours }) => [bare, ours]), ...(given === undefined ? [] : [given])];
    for (let round = 0; round < rounds; round++) {
      // Warm first, then the other way round each time.
      const durationMs = round === 0 ? 4 * roundMs : roundMs;
      for (const one of round % 2 === 0 ? all : all.toReversed()) one.perSecond.push(await measure(one, durationMs));
    }
    const rows = pairs.flatMap(({ transport, bare, ours }) => [
      { what: `echo of bare grpc-js over ${transport}`, value: median(measured(bare)), unit: '/s' },
      { what: `ResolveHost of our stack over ${transport}`, value: median(measured(ours)), unit: '/s' },
      { what: `share of the bare echo over ${transport}`, value: share(ours, bare), unit: '%', atLeast: shareAsked },
    ]);
    const [overTcp] = pairs;
    if (given === undefined || overTcp === undefined) return rows;
    return [
      ...rows,
      { what: 'ResolveHost of the registry', value: median(measured(given)), unit: '/s' },
      { what: 'share of the bare echo over TCP with mutual TLS', value: share(given, overTcp.bare), unit: '%', atLeast: shareAsked },
    ];
  } finally {
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Contestant {
  readonly loads: readonly ChildProcess[];
  /** Of each round. */
  readonly perSecond: number[];
}

async function measure({ loads }: Contestant, runMs: number): Promise<number> {
  const measured = await Promise.all(
    loads.map(async (load): Promise<Measured> => {
      const answer = once(load, 'message');
      load.send({ runMs } satisfies Round);
      return (await answer)[0];
    }),
  );
  return measured.reduce((sum, { calls, seconds }) => sum + calls / seconds, 0);
}

/** Without the round that warmed up. */
function measured({ perSecond }: Contestant): number[] {
  return perSecond.slice(1);
}

function share(one: Contestant, other: Contestant): number {
  return median(measured(one).map((value, index) => (100 * value) / (measured(other)[index] ?? Number.NaN)));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.main) {
  for (const { what, value, unit } of await runResolveBench())
    process.stdout.write(`${what.padEnd(50)} ${value.toFixed(0).padStart(8)} ${unit}\n`);
}
