// Requests as browsers make them, by wrk.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tool } from '@burgage/lab';
import { type AnswerPath, answers } from '../apps/web-app.ts';
import { connections, type Load } from './load.ts';

const run = promisify(execFile);

export interface Requests {
  readonly path: AnswerPath;
  /** A connection for each request; default: they are kept. */
  readonly close?: boolean;
  /** Offered by all connections together; default: each asks again as soon as it is answered. */
  readonly perSecond?: number;
}

/** What requests.lua says at the end. */
interface Summary {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** With a status of 400 or above. */
  readonly refused: number;
  /** Not connected, broken off, or without an answer for ten seconds. */
  readonly broken: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function requests({ path, close = false, perSecond }: Requests): Load {
  // Each connection pauses at random, so that they do not march in step: half of this on average.
  const longestPauseMs = perSecond === undefined ? 0 : Math.round((2 * 1_000 * connections) / perSecond);
  return {
    app: 'web',
    unit: 'request',
    async send({ host, port, secure = false, hosts }, seconds) {
      const script = join(import.meta.dirname, 'requests.lua');
      const of = [String(hosts), path, close ? 'close' : 'keep-alive', String(longestPauseMs)];
      const program = await tool('wrk');
      const args = [
        '--threads',
        '1',
        '--timeout',
        '10s',
        '--connections',
        String(connections),
        '--duration',
        `${seconds}s`,
        '--script',
        script,
      ];
      const { stdout } = await run(program, [...args, `${secure ? 'https' : 'http'}://${host}:${port}/`, '--', ...of]);
      const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary;
      const { refused, broken, bytes } = summary;
      const answered = summary.requests - refused;
      const failures = [
        ...(refused > 0 ? [`${refused} refused`] : []),
        ...(broken > 0 ? [`${broken} broken off or without an answer for ten seconds`] : []),
        // Which of them it was, wrk does not say.
        ...(bytes < answered * answers[path] ? ['some cut short'] : []),
      ];
      return {
        count: summary.requests,
        seconds: summary.seconds,
        failures,
        ...(perSecond !== undefined && { p50Ms: summary.p50Ms, p99Ms: summary.p99Ms }),
      };
    },
  };
}
