// `npm run bench:gateway`: the gateway beside its peers, all with the same features on.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { runMain } from '@burgage/runtime';
import { startEchoApp } from './apps/echo-app.ts';
import { startWebApp } from './apps/web-app.ts';
import type { Case } from './cases.ts';
import { contest, type Outcome } from './contest.ts';
import { type Cores, divideCores, pin } from './cores.ts';
import { type Options, readOptions, usage } from './options.ts';
import { number, table } from './results.ts';
import { judge } from './targets.ts';
import { makeTlsPair } from './tls-pair.ts';
import { highLimits } from './world.ts';

const loopback = '127.0.0.1';

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  const startedMs = performance.now();
  const cores = await divideCores();
  // What is started from here on is load or app; a proxy is put on its own core when it stands.
  await pin(process.pid, cores.others);
  say(`${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`);
  say(`proxies on core ${cores.proxy}, load and app on ${cores.others.join(', ')}; load average ${number(loadavg()[0] ?? 0, 1)}\n`);
  const outcomes: Outcome[] = [];
  for (const world of Map.groupBy(options.cases, worldOf).values()) outcomes.push(await inItsWorld(world, options, cores));
  const results = outcomes.flatMap((outcome) => outcome.results);
  const complaints = outcomes.flatMap((outcome) => outcome.complaints);
  const judged = judge(results);
  say(`\n${table(results)}\n`);
  for (const { line } of judged) say(line);
  for (const complaint of complaints) say(`failed  ${complaint}`);
  const tookS = number((performance.now() - startedMs) / 1_000, 0);
  say(`\nmedians of the quieter half of ${options.runs} runs of ${options.seconds} s, in turns; took ${tookS} s`);
  if (complaints.length > 0 || judged.some(({ isMet }) => !isMet)) process.exitCode = 1;
}

/** Cases of the same world share its proxies. */
function worldOf({ hosts, load, secure = false, tenantContexts = false }: Case): string {
  return `${hosts} hosts, ${load.app} app${secure ? ', TLS' : ''}${tenantContexts ? ', signed tenant contexts' : ''}`;
}

async function inItsWorld(cases: readonly Case[], { contestants, runs, seconds }: Options, cores: Cores): Promise<Outcome> {
  const [first] = cases;
  if (first === undefined) return { results: [], complaints: [] };
  say(worldOf(first));
  const folder = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
  const logServer = createServer((socket) => socket.on('error', () => socket.destroy()).resume()).listen(0, loopback);
  try {
    await once(logServer, 'listening');
    await using app = await (first.load.app === 'web' ? startWebApp(folder) : startEchoApp());
    const world = {
      hosts: first.hosts,
      limits: highLimits,
      backend: `${app.host}:${app.port}`,
      logServer: `${loopback}:${(logServer.address() as AddressInfo).port}`,
      folder,
      tls: first.secure ? await makeTlsPair(folder) : undefined,
      tenantContexts: first.tenantContexts ?? false,
    };
    return await contest({ world, cases, contestants, runs, seconds, cores, say });
  } finally {
    logServer.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await runMain(usage, main);
