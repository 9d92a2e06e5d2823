// burgage backup and burgage restore: the whole of a Burgage on this machine, to a file and back.
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isBurgageError } from '@burgage/contracts/errors';
import { type Backup, backUp, type Progress, restore, verifyBackup } from '@burgage/data-folder';
import type { Command } from 'commander';
import { calledAs } from '../called.ts';
import { type ConnectionOptions, findDataFolder } from '../connection.ts';
import { exitCodes, failure } from '../failure.ts';
import { cut, paint, plainText, roughSizeOf } from '../render.ts';
import { examples, outputOption } from '../session.ts';
import type { Terminal } from '../terminal.ts';

/** What is said of a backup; a manifest with every file of it would be no answer. */
interface BackupAnswer {
  readonly file: string;
  readonly createdAt: string;
  readonly dataFormat: number;
  readonly files: number;
  /** Of the backup. */
  readonly bytes: number;
  /** Of what is in it. */
  readonly contentBytes: number;
}

interface RestoreAnswer {
  readonly data: string;
  readonly file: string;
  readonly createdAt: string;
  /** Where the folder is whose place it took. */
  readonly before?: string;
}

export function addBackup(program: Command, terminal: Terminal): void {
  program
    .command('backup')
    .description('copy everything of the Burgage on a data folder into one file, while it runs or not')
    .option('--to <path>', 'the file to make, or a folder for it (default: burgage-<time>.backup here)')
    .option('--force', 'replace a file that is there')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'backup', 'backup --to /backups', 'backup --to burgage.backup --force -o json'))
    .action(async ({ to, force = false }: { to?: string; force?: boolean }, command: Command) => {
      const { folder, run, print, style } = localSession(command, terminal);
      const now = terminal.now();
      const file = fileAt(resolve(terminal.cwd, to ?? '.'), now);
      const made = await run('no backup was made', (watching) => backUp({ folder, file, replace: force, now, ...watching }));
      print<BackupAnswer>(answerOf(file, made), (answer) =>
        [
          `${style.bold(plainText(file))}  ${summaryOf(answer)}\n`,
          'It holds every secret of this Burgage and all data of its tenants, not encrypted: keep it as you would keep those.\n',
        ].join(''),
      );
    });

  program
    .command('restore')
    .description('put a backup in the place of a data folder on which no Burgage runs')
    .argument('<file>', 'the backup')
    .option('--check', 'read it to its end, say whether every byte is what was written, and change nothing')
    .option('--replace', 'move the data folder that is there aside, to <folder>.before-<time>')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        terminal,
        'restore burgage.backup --check',
        'restore burgage.backup --data /srv/burgage',
        'restore burgage.backup --replace',
      ),
    )
    .action(async (name: string, { check = false, replace = false }: { check?: boolean; replace?: boolean }, command: Command) => {
      const session = localSession(command, terminal);
      const file = resolve(terminal.cwd, name);
      await (check ? checkBackup(session, file) : restoreBackup(session, file, replace, terminal.now()));
    });
}

async function checkBackup({ run, print }: LocalSession, file: string): Promise<void> {
  const found = await run('it was not read to its end', (watching) => verifyBackup({ file, ...watching }));
  print(answerOf(file, found), (answer) => `${plainText(file)} reads back  ${summaryOf(answer)}, of ${answer.createdAt}\n`);
}

async function restoreBackup({ folder, run, print, style }: LocalSession, file: string, replace: boolean, now: Date): Promise<void> {
  const { backup, before } = await run('nothing was changed', (watching) => restore({ file, folder, replace, now, ...watching }));
  const answer: RestoreAnswer = { data: folder, file, createdAt: backup.createdAt, ...(before === undefined ? {} : { before }) };
  print(answer, ({ createdAt }) =>
    [
      `${style.bold(plainText(folder))} is as it was at ${createdAt}. Start it with npm start.\n`,
      ...(before === undefined ? [] : [`What was there is ${plainText(before)}; remove it when you do not need it any more.\n`]),
    ].join(''),
  );
}

type LocalSession = ReturnType<typeof localSession>;

/** What a command needs that works on files of this machine, without an API. */
function localSession(command: Command, terminal: Terminal) {
  const options = command.optsWithGlobals<ConnectionOptions & { output?: string }>();
  if (options.api !== undefined) {
    throw failure('config_invalid', {
      fields: [
        { field: '--api', description: `is ${JSON.stringify(options.api)}; expected none: this works on a data folder of this machine` },
      ],
    });
  }
  const asJson = options.output === 'json';
  const called = calledAs(terminal.env, options);
  return {
    folder: findDataFolder(options.data, terminal),
    style: paint(terminal.color),
    print<T>(answer: T, show: (answer: T) => string): void {
      terminal.out(asJson ? `${JSON.stringify(answer, null, 2)}\n` : show(answer));
    },
    /** Shows how far `work` is; Ctrl-C gives it up, and `otherwise` is how it stands then. */
    async run<T>(otherwise: string, work: (watching: { onProgress?: (progress: Progress) => void; signal: AbortSignal }) => Promise<T>) {
      const signal = terminal.interrupted();
      const line = terminal.live && !asJson ? progressLine(terminal) : undefined;
      try {
        return await work({ signal, ...(line === undefined ? {} : { onProgress: line.show }) });
      } catch (error) {
        if (!signal.aborted) throw advised(error, called);
        throw failure('cancelled', {
          message: `Interrupted: ${otherwise}.`,
          advice: 'Give the command again.',
          exitCode: exitCodes.interrupted.code,
        });
      } finally {
        line?.clear();
      }
    },
  };
}

/** The catalogue knows backups only as what to restore from. */
function advised(error: unknown, called: string): unknown {
  const advice = isBurgageError(error) ? adviceFor(error.code, called) : undefined;
  return isBurgageError(error) && advice !== undefined ? failure(error.code, { message: error.message, advice, cause: error }) : error;
}

function adviceFor(code: string, called: string): string | undefined {
  if (code === 'already_exists') return `Name another place, or let it be replaced: ${called} backup --force, ${called} restore --replace.`;
  if (code === 'data_corrupt') return 'Use another backup; where a file of the data folder is damaged, restore the latest that reads back.';
  if (code === 'data_folder_newer') return 'Use the version of Burgage that wrote it, or a later one.';
  if (code === 'not_found') return 'Check the name of the backup.';
  return undefined;
}

/** `path`, or a name that says when in the folder that it is. */
function fileAt(path: string, now: Date): string {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? join(path, `burgage-${now.toISOString().slice(0, 19).replaceAll(':', '-')}Z.backup`) : path;
}

function answerOf(file: string, { backup, bytes }: { readonly backup: Backup; readonly bytes: number }): BackupAnswer {
  const { createdAt, dataFormat, files } = backup;
  return { file, createdAt, dataFormat, files: files.length, bytes, contentBytes: files.reduce((sum, one) => sum + one.bytes, 0) };
}

function summaryOf({ bytes, files, contentBytes }: BackupAnswer): string {
  return `${roughSizeOf(bytes)}, ${files} files of ${roughSizeOf(contentBytes)}`;
}

/** Between two drawings, in percent. */
const percentStep = 1;

/** One line that is drawn over itself. */
function progressLine(terminal: Terminal) {
  let shown = -percentStep;
  return {
    show({ path, doneBytes, totalBytes }: Progress): void {
      const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
      if (percent < shown + percentStep) return;
      shown = percent;
      const text = `${String(percent).padStart(3)} % of ${roughSizeOf(totalBytes)}  ${plainText(path)}`;
      terminal.out(`\r\u001b[K${cut(text, (terminal.columns() ?? 80) - 1)}`);
    },
    clear(): void {
      if (shown >= 0) terminal.out('\r\u001b[K');
    },
  };
}
