// The burgage program: its commands, its help, and how it ends.
import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { addAudit } from './commands/audit.ts';
import { addBackup } from './commands/backup.ts';
import { addGateway } from './commands/gateway.ts';
import { addGateways } from './commands/gateways.ts';
import { addOperations } from './commands/operations.ts';
import { addOrphans } from './commands/orphans.ts';
import { addPlans } from './commands/plans.ts';
import { addTap } from './commands/tap.ts';
import { addTenants } from './commands/tenants.ts';
import { asFailure, CommandFailure, exitCodes, failure, tell } from './failure.ts';
import { Interrupted } from './follow.ts';
import { examples } from './session.ts';
import type { Terminal } from './terminal.ts';

/** Runs the command in `argv` and answers with the exit code of the process. Never throws. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  let running: Command | undefined;
  const program = createProgram(terminal, wantsJson(argv)).hook('preAction', (_, command) => {
    running = command;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCodes.ok.code;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return exitCodes.ok.code;
      if (wantsJson(argv)) tell(commandInvalid(thrown), terminal, true);
      return exitCodes.usage.code;
    }
    if (thrown instanceof Interrupted) {
      terminal.err(`Interrupted. The operation goes on; follow it again with:\n  ${thrown.again}\n`);
      return exitCodes.interrupted.code;
    }
    const failed = asFailure(thrown);
    const asJson = running?.opts().output === 'json';
    tell(asJson || running === undefined ? failed : inFlags(failed, running), terminal, asJson);
    return failed.exitCode;
  }
}

/** `quiet` leaves out what is said of a command line that is not valid. */
function createProgram(terminal: Terminal, quiet: boolean): Command {
  const program = new Command('burgage')
    .description('Burgage gives every customer of a SaaS product their own door.')
    .version(manifest.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .option('--data <folder>', 'the data folder of a Burgage that runs here (default: BURGAGE_DATA, or the nearest .burgage)')
    .option('--api <url>', 'the address of an API elsewhere; its token comes from BURGAGE_TOKEN')
    .addHelpText(
      'after',
      `${examples(terminal, 'tenants create --company Acme --plan trial --owner owner@acme.test --wait', 'explain http://acme.localhost:8080/')}${exitCodeHelp()}`,
    )
    .showHelpAfterError('Add --help to see what is possible.')
    .configureOutput({ writeOut: terminal.out, writeErr: quiet ? () => {} : terminal.err })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  addTenants(program, terminal);
  addOperations(program, terminal);
  addOrphans(program, terminal);
  addGateways(program, terminal);
  addTap(program, terminal);
  addPlans(program, terminal);
  addAudit(program, terminal);
  addBackup(program, terminal);
  addGateway(program, terminal);
  return program;
}

/** Whether JSON is asked for, also where the command line is otherwise not valid. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some((word, i) => /^(-o=?|--output=)json$/.test(word) || (/^(-o|--output)$/.test(word) && argv[i + 1] === 'json'));
}

/** What the parser refuses, as a problem. */
function commandInvalid({ message }: CommanderError): CommandFailure {
  return failure('command_invalid', { message: message.replace(/^error: /, '').replaceAll('\n', ' ') });
}

function exitCodeHelp(): string {
  const lines = Object.values(exitCodes).map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}\n`);
  return `\nExit codes:\n${lines.join('')}`;
}

/**
 * Fields that were given as options are called as the user typed them: `pageSize` is `--page-size`, and `isolation` is
 * `--to <isolation>`.
 */
function inFlags(failed: CommandFailure, command: Command): CommandFailure {
  const { fields } = failed.problem;
  if (fields === undefined) return failed;
  const bare = (name: string) => name.replaceAll('-', '').toLowerCase();
  const flagOf = (field: string) =>
    command.options.find((option) => bare(option.name()) === bare(field) || option.flags.endsWith(`<${field}>`))?.long ?? field;
  return new CommandFailure(
    { ...failed.problem, fields: fields.map(({ field, description }) => ({ field: flagOf(field), description })) },
    failed.exitCode,
  );
}
