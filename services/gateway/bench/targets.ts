// What our gateway is to reach: its CPU for each request at most so many times another's.
import { number, type Result, ratioOf } from './results.ts';

interface Measured {
  readonly case: string;
  readonly contestant: string;
}

interface Target {
  readonly what: string;
  readonly of: Measured;
  readonly to: Measured;
  readonly atMost: number;
}

function besideNginx(what: string, name: string, atMost: number): Target {
  return { what: `${what}, beside nginx`, of: { case: name, contestant: 'burgage' }, to: { case: name, contestant: 'nginx' }, atMost };
}

const targets: readonly Target[] = [
  besideNginx('keep-alive, 1,000 hosts', 'hosts-1000', 1.1),
  besideNginx('keep-alive, 1,000,000 hosts', 'hosts-1000000', 1.2),
  besideNginx('a connection for each request', 'new-connections', 1.5),
  {
    what: 'answers of 1 MB, beside nginx with its own buffers',
    of: { case: 'body-1mb', contestant: 'burgage' },
    to: { case: 'body-1mb', contestant: 'nginx-defaults' },
    atMost: 0.8,
  },
  besideNginx('TLS, keep-alive', 'tls', 1.2),
  besideNginx('TLS, a connection for each request', 'tls-new-connections', 1.5),
  besideNginx('HTTP/2, 64 connections of 1 stream', 'http2-64x1', 1.5),
  besideNginx('HTTP/2, 16 connections of 10 streams', 'http2-16x10', 1.5),
  besideNginx('WebSocket messages', 'websocket', 1.25),
  {
    what: 'keep-alive, 1,000 hosts, beside Caddy',
    of: { case: 'hosts-1000', contestant: 'burgage' },
    to: { case: 'hosts-1000', contestant: 'caddy' },
    atMost: 1 / 3,
  },
  {
    what: '1,000,000 hosts, beside our own at 100',
    of: { case: 'hosts-1000000', contestant: 'burgage' },
    to: { case: 'hosts-100', contestant: 'burgage' },
    atMost: 1.2,
  },
];

export interface Judged {
  readonly line: string;
  readonly isMet: boolean;
}

/** Each target whose two sides were measured. */
export function judge(results: readonly Result[]): readonly Judged[] {
  const find = (measured: Measured): Result | undefined =>
    results.find((result) => result.case.name === measured.case && result.contestant === measured.contestant);
  return targets.flatMap(({ what, of, to, atMost }) => {
    const [ours, others] = [find(of), find(to)];
    if (ours === undefined || others === undefined) return [];
    const ratio = ratioOf(ours, others);
    const isMet = ratio <= atMost;
    return [{ line: `${isMet ? 'met   ' : 'missed'}  ${what}: ${number(ratio, 2)}, at most ${number(atMost, 2)}`, isMet }];
  });
}
