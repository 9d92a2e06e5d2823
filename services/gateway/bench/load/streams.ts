// Requests on streams of HTTP/2, by h2load: all for one host, as it cannot ask for another with each.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { tool } from '@burgage/lab';
import { hostName } from '../world.ts';
import type { Load } from './load.ts';

const run = promisify(execFile);

/** As requests.lua has them. */
const browserHead = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  accept: 'application/json, */*;q=0.8',
  'accept-language': 'en-US,en;q=0.5',
  'accept-encoding': 'gzip, deflate, br',
};

const countsPattern = /^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$/m;
const secondsPattern = /^finished in ([\d.]+)(ms|s), /m;

/** Each connection has `streamsAtOnce` requests under way. */
export function streams(connections: number, streamsAtOnce: number): Load {
  return {
    app: 'web',
    unit: 'request',
    async send({ host, port, hosts }, seconds) {
      const head = { ':authority': hostName(hosts - 1), ...browserHead };
      const { stdout } = await run(await tool('h2load'), [
        ...['--threads', '1', '--clients', String(connections), '--max-concurrent-streams', String(streamsAtOnce)],
        ...['--duration', String(seconds)],
        ...Object.entries(head).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
        `https://${host}:${port}/small`,
      ]);
      const [done = 0, succeeded = 0, ...others] = (countsPattern.exec(stdout) ?? []).slice(1).map(Number);
      const [failed = 0, errored = 0, timedOut = 0] = others;
      const [, length = '0', unit] = secondsPattern.exec(stdout) ?? [];
      const failures = [
        ...(succeeded === 0 ? ['none succeeded'] : []),
        ...(failed > 0 ? [`${failed} refused`] : []),
        ...(errored + timedOut > 0 ? [`${errored + timedOut} broken off`] : []),
      ];
      return { count: done, seconds: Number(length) / (unit === 'ms' ? 1_000 : 1), failures };
    },
  };
}
