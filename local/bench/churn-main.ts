// `npm run bench:churn`: route changes at a gateway with a million hosts, under load, with WebSockets open.
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { BurgageError } from '@burgage/contracts';
import { runMain } from '@burgage/runtime';
import { type Churn, churn } from './churn.ts';
import { judge, table } from './figures.ts';

const fullChurn: Churn = { hosts: 1_000_000, seconds: 30, changesPerSecond: 1_000, sockets: 500, requestsPerSecond: 1_000 };

const usage = `Route changes at a gateway under load: no request may fail, no WebSocket may close, and each shows soon.

npm run bench:churn   ${fullChurn.hosts.toLocaleString('en')} hosts, ${fullChurn.changesPerSecond.toLocaleString('en')} changes a second for ${fullChurn.seconds} s, ${fullChurn.sockets} WebSockets: three minutes, 4 GB

  --hosts N           so many hosts
  --seconds S         of changes

Leaves with 0 where all targets are met and nothing failed, with 1 where not, with 2 for a command line that is not understood.
`;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  say(`${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`);
  const { figures, complaints } = await churn(options, say);
  say(`\n${table(figures)}`);
  for (const complaint of complaints) say(`failed  ${complaint}`);
  if (complaints.length > 0 || figures.some((figure) => judge(figure) === 'missed')) process.exitCode = 1;
}

/** @throws BurgageError `command_invalid` that says what was expected. */
function readOptions(argv: readonly string[]): Churn {
  const { hosts, seconds } = parse(argv);
  return {
    ...fullChurn,
    ...(hosts !== undefined && { hosts: count('hosts', hosts, 5_000_000) }),
    ...(seconds !== undefined && { seconds: count('seconds', seconds, 3_600) }),
  };
}

function parse(argv: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    return parseArgs({ args: [...argv], options: { hosts: text, seconds: text } }).values;
  } catch (error) {
    throw new BurgageError('command_invalid', { message: error instanceof Error ? error.message : String(error), cause: error });
  }
}

function count(option: string, word: string, most: number): number {
  const number = Number(word);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new BurgageError('command_invalid', {
    message: `--${option}: got ${JSON.stringify(word)}, expected a whole number from 1 to ${most}`,
  });
}

await runMain(usage, main);
