// What the action of a command works with, and the options that commands share.
import { type Command, Option } from 'commander';
import { calledAs } from './called.ts';
import { type Client, createClient } from './client.ts';
import { type ConnectionOptions, findConnection } from './connection.ts';
import { type Column, paint, table } from './render.ts';
import type { Terminal } from './terminal.ts';

export interface Session {
  readonly terminal: Terminal;
  readonly client: Client;
  readonly asJson: boolean;
  /** How the user called the command: what a command in an advice begins with. */
  readonly called: string;
  readonly style: ReturnType<typeof paint>;
  /** Writes what the API answered: exactly that as JSON, or as `show` puts it for people. */
  print<T>(answer: T, show: (answer: T) => string): void;
  table<T>(columns: readonly Column<T>[], rows: readonly T[]): string;
}

/** The session of `command`, from its options and those of the program. */
export function openSession(command: Command, terminal: Terminal): Session {
  const options = command.optsWithGlobals<ConnectionOptions & { output?: string }>();
  const asJson = options.output === 'json';
  const style = paint(terminal.color);
  return {
    terminal,
    client: createClient(() => findConnection(options, terminal), terminal.sleep),
    asJson,
    called: calledAs(terminal.env, options),
    style,
    print: (answer, show) => terminal.out(asJson ? `${JSON.stringify(answer, null, 2)}\n` : show(answer)),
    table: (columns, rows) => table(columns, rows, style.dim, terminal.columns()),
  };
}

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to print the answer').choices(['table', 'json']).default('table');
}

/** The options of a paged list. */
export function withPages(command: Command): Command {
  return command
    .option('--page-size <count>', 'items on a page, 1 to 500 (default 50)')
    .option('--page-token <token>', 'the page that the last page named as next')
    .addOption(outputOption());
}

export interface PageOptions {
  readonly pageSize?: string;
  readonly pageToken?: string;
}

/** Says on standard error how to see more, so that standard output stays the list. */
export function sayMore(session: Session, next: string | undefined): void {
  if (next !== undefined && !session.asJson)
    session.terminal.err(session.style.dim(`There are more: add --page-token ${next}`).concat('\n'));
}

/** Examples below the help of a command, each without the name of the program. */
export function examples({ env }: Pick<Terminal, 'env'>, ...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${calledAs(env)} ${line}\n`).join('')}`;
}
