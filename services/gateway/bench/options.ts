// What a run measures, by its command line.
import { parseArgs } from 'node:util';
import { BurgageError } from '@burgage/contracts';
import { nearest } from '@burgage/runtime';
import { type Case, cases } from './cases.ts';
import { burgage } from './contestants/burgage.ts';
import { caddy } from './contestants/caddy.ts';
import type { Contestant } from './contestants/contestant.ts';
import { haproxy } from './contestants/haproxy.ts';
import { nginx, nginxDefaults } from './contestants/nginx.ts';
import { nodeNet } from './contestants/node-net.ts';

export interface Options {
  readonly cases: readonly Case[];
  /** Ours first. */
  readonly contestants: readonly Contestant[];
  /** Of every case and contestant, in turns. */
  readonly runs: number;
  /** Of one run. */
  readonly seconds: number;
}

const peers: readonly Contestant[] = [nginx, nginxDefaults, haproxy, caddy, nodeNet];
const quick = { runs: 3, seconds: 1 } as const;
const full = { runs: 7, seconds: 2 } as const;

export const usage = `The gateway beside nginx, HAProxy and Caddy with the same features on: CPU for each request, on one core.

npm run bench:gateway              the quick form, about three minutes: ${quick.runs} runs of ${quick.seconds} s each, the cases with a *
npm run bench:gateway -- --full    all cases, ${full.runs} runs of ${full.seconds} s each: about twenty minutes, 5 GB of memory

  --only CASE,CASE   these cases
  --peers PEER,PEER  beside these peers: ${peers.map(({ name }) => name).join(', ')}
  --runs N           runs of every case and contestant, in turns; the median of the quieter half counts
  --seconds S        of one run

Cases
${cases.map(({ name, what, quick: isQuick }) => `  ${name.padEnd(16)} ${isQuick ? '*' : ' '} ${what}\n`).join('')}
Leaves with 0 where all targets that were measured are met, with 1 where one is missed or a request failed, with 2 for a
command line that is not understood. docs/benchmarks.md says what each peer has on.
`;

/** @throws BurgageError `command_invalid` that says what was expected. */
export function readOptions(argv: readonly string[]): Options {
  const { full: isFull = false, only, peers: beside, runs, seconds } = parse(argv);
  const base = isFull ? full : quick;
  const all = isFull ? cases : cases.filter((one) => one.quick);
  return {
    cases: only === undefined ? all : choose('only', only, cases),
    contestants: [burgage, ...(beside === undefined ? peers : choose('peers', beside, peers))],
    runs: runs === undefined ? base.runs : count('runs', runs),
    seconds: seconds === undefined ? base.seconds : count('seconds', seconds),
  };
}

function parse(argv: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const options = { full: { type: 'boolean' }, only: text, peers: text, runs: text, seconds: text } as const;
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new BurgageError('command_invalid', { message: error instanceof Error ? error.message : String(error), cause: error });
  }
}

/** Those that `words` names, in their own order. */
function choose<T extends { readonly name: string }>(option: string, words: string, all: readonly T[]): readonly T[] {
  const known = all.map(({ name }) => name);
  const wanted = words.split(',').map((word) => word.trim());
  for (const word of wanted) {
    if (known.includes(word)) continue;
    const meant = nearest(word, known);
    const hint = meant === undefined ? `expected some of ${known.join(', ')}` : `did you mean ${meant}?`;
    throw new BurgageError('command_invalid', { message: `--${option}: got ${JSON.stringify(word)}, ${hint}` });
  }
  return all.filter(({ name }) => wanted.includes(name));
}

function count(option: string, word: string): number {
  const number = Number(word);
  if (Number.isInteger(number) && number >= 1 && number <= 1_000) return number;
  throw new BurgageError('command_invalid', {
    message: `--${option}: got ${JSON.stringify(word)}, expected a whole number from 1 to 1000`,
  });
}
