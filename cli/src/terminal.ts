// What a command can see, write and ask: the streams, the environment, the folder it was started in.
import { createInterface } from 'node:readline';
import { setTimeout as systemSleep } from 'node:timers/promises';

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Standard output is a terminal: lines may be drawn over, times may be relative. */
  readonly live: boolean;
  /** Colours are wanted on standard output, and on standard error. */
  readonly color: boolean;
  readonly errColor: boolean;
  /** Somebody is there who can be asked: standard input and standard error are a terminal. */
  readonly canAsk: boolean;
  /** What the user types after `question`, on standard error; undefined where they leave without an answer. */
  ask(question: string): Promise<string | undefined>;
  /** Characters in a line of the terminal; undefined where output is not one, or one that does not say. */
  columns(): number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  now(): Date;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Aborted when the user presses Ctrl-C, from the first time that it is asked for on. */
  interrupted(): AbortSignal;
}

/** The terminal of this process. A reader that has gone (`| head`) ends it quietly. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const colorful = (stream: NodeJS.WriteStream) => stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  let interruption: AbortController | undefined;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    out: (text) => stdout.write(text),
    err: (text) => stderr.write(text),
    live: stdout.isTTY === true && env.TERM !== 'dumb',
    color: colorful(stdout),
    errColor: colorful(stderr),
    canAsk: process.stdin.isTTY === true && stderr.isTTY === true,
    ask: (question) =>
      new Promise((resolve) => {
        const lines = createInterface({ input: process.stdin, output: stderr });
        // Ctrl-C and Ctrl-D close it too; the line that was being typed is left then.
        lines.on('close', () => {
          stderr.write('\n');
          resolve(undefined);
        });
        lines.question(question, (answer) => {
          lines.removeAllListeners('close').close();
          resolve(answer);
        });
      }),
    columns: () => columnsOf(stdout),
    env,
    cwd: process.cwd(),
    now: () => new Date(),
    sleep: (ms, signal) => systemSleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
    interrupted: () => {
      if (interruption === undefined) {
        const controller = new AbortController();
        interruption = controller;
        // Not once: a Ctrl-C that a parent passes on comes twice.
        process.on('SIGINT', () => controller.abort());
      }
      return interruption.signal;
    },
  };
}

/** Characters in a line of `stream`; some terminals say 0 and mean that they do not know. */
export function columnsOf({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number | undefined {
  return isTTY && columns > 0 ? columns : undefined;
}
