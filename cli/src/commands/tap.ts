// burgage tap: requests as the gateways answer them, one line each, until Ctrl-C.
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { failure } from '../failure.ts';
import { plainText } from '../render.ts';
import { examples, openSession, outputOption, type Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';

interface TapOptions {
  readonly tenant?: string;
  readonly host?: string;
  readonly status?: string;
  readonly gateway?: string;
  readonly count?: number;
}

/** A request as a gateway says it; the access log of the gateway has the same. */
interface TapRecord {
  readonly gateway: string;
  readonly time: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly code?: string;
  readonly durationMs: number;
  readonly tenant?: string;
  readonly endpoint?: string;
  readonly termination: string;
}

export function addTap(program: Command, terminal: Terminal): void {
  program
    .command('tap')
    .description('show requests as the gateways answer them, until Ctrl-C')
    .option('--tenant <tenant>', 'only of this tenant: its id or its slug')
    .option('--host <host>', 'only for this host')
    .option('--status <status>', 'only with this status: 404, or 5xx for all of them')
    .option('--gateway <gateway>', 'only of this gateway (default: of all that are connected)')
    .option('-n, --count <count>', 'end after so many', countOf)
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'tap', 'tap --tenant grosse-sohne --status 5xx', 'tap --host acme.localhost -n 10 -o json'))
    .action(async ({ count = Number.POSITIVE_INFINITY, ...options }: TapOptions, command: Command) => {
      const session = openSession(command, terminal);
      const { tenant, host, status, gateway } = options;
      const wanted = Object.entries({ tenant, host, status, gateway }).filter((entry): entry is [string, string] => entry[1] !== undefined);
      await follow(session, `/v1/tap?${new URLSearchParams(wanted)}`, count);
    });
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('Expected a whole number from 1 on.');
  return count;
}

async function follow({ client, terminal, asJson, style }: Session, path: string, count: number): Promise<void> {
  const interrupted = terminal.interrupted();
  const enough = new AbortController();
  const signal = AbortSignal.any([interrupted, enough.signal]);
  let shown = 0;
  try {
    for await (const { event, data } of client.events(path, '', signal)) {
      const said = JSON.parse(data);
      if (event === 'dropped')
        terminal.err(style.yellow(`${said.dropped} more of ${plainText(said.gateway)} were not shown: they came too fast\n`));
      if (event === 'lost') terminal.err(style.yellow(`the gateway ${plainText(said.gateway)} is not heard any more\n`));
      if (event !== 'record') continue;
      terminal.out(asJson ? `${data}\n` : `${lineOf(said, style)}\n`);
      shown += 1;
      if (shown >= count) {
        enough.abort();
        return;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (!signal.aborted) throw failure('unavailable', { message: 'The API has ended the stream.', advice: 'Give the command again.' });
}

function lineOf(
  { time, status, method, host, path, durationMs, code, termination, tenant, endpoint }: TapRecord,
  style: Session['style'],
): string {
  const color = status >= 500 || status === 0 ? style.red : status >= 400 ? style.yellow : style.green;
  const why = code ?? (termination === 'completed' ? '' : termination);
  const more = [tenant, endpoint, why].filter((text) => text !== undefined && text !== '').join(' ');
  const request = plainText(`${method} ${host}${path}`);
  return `${style.dim(plainText(time.slice(11, 23)))} ${color(status === 0 ? '---' : String(status))} ${request} ${durationMs.toFixed(1)} ms ${style.dim(plainText(more))}`.trimEnd();
}
