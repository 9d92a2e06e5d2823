// Finds the API to talk to and the token for it: in the data folder of a Burgage that runs here, or as the user says.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface Connection {
  /** `http://127.0.0.1:4711`, without a slash at the end. */
  readonly api: string;
  readonly token: string;
  /** Where the token comes from, as people say it. */
  readonly tokenFrom: string;
  /** The data folder that it was found in; undefined where the user named the API. */
  readonly dataFolder: string | undefined;
  /** The process that wrote so; undefined as `dataFolder` is. */
  readonly pid: number | undefined;
}

export interface ConnectionOptions {
  readonly data?: string | undefined;
  readonly api?: string | undefined;
}

const folderName = '.burgage';
const tokenVariable = 'BURGAGE_TOKEN';
/** The clone that this command is part of. */
const cloneRoot = join(import.meta.dirname, '..', '..');

/**
 * `--api` with `BURGAGE_TOKEN`; else what runs on the data folder: `--data`, `BURGAGE_DATA`, the nearest `.burgage` from
 * the current folder up, the clone's. @throws CommandFailure `not_running`, `unauthenticated`, `config_invalid`.
 */
export function findConnection(options: ConnectionOptions, terminal: Terminal): Connection {
  if (options.api !== undefined) return remoteConnection(options.api, terminal.env.BURGAGE_TOKEN);
  const dataFolder = findDataFolder(options.data, terminal);
  const runtime = readRuntime(dataFolder);
  // A process that was killed leaves the file behind; whoever has its port by now must not be shown the token.
  if (!isAlive(runtime.pid)) throw notRunning(dataFolder);
  const tokenFile = isAbsolute(runtime.tokenFile) ? runtime.tokenFile : join(dataFolder, runtime.tokenFile);
  const { api, pid } = runtime;
  return { api: api.replace(/\/+$/, ''), token: readToken(tokenFile), tokenFrom: tokenFile, dataFolder, pid };
}

function remoteConnection(api: string, token: string | undefined): Connection {
  if (!URL.canParse(api) || !/^https?:$/.test(new URL(api).protocol)) {
    throw failure('config_invalid', {
      fields: [{ field: '--api', description: `is ${JSON.stringify(api)}; expected an address such as https://api.example.com` }],
    });
  }
  if (!token) {
    throw failure('unauthenticated', {
      message: '--api was given, but BURGAGE_TOKEN is not set.',
      advice: 'Set the environment variable BURGAGE_TOKEN to a token of that API.',
    });
  }
  return {
    api: api.replace(/\/+$/, ''),
    token: clean(token, tokenVariable),
    tokenFrom: tokenVariable,
    dataFolder: undefined,
    pid: undefined,
  };
}

/** `--data`, `BURGAGE_DATA`, the nearest `.burgage` from the current folder up, the clone's. */
export function findDataFolder(data: string | undefined, { env, cwd }: Terminal): string {
  const named = data ?? (env.BURGAGE_DATA || undefined);
  if (named !== undefined) return resolve(cwd, named);
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, folderName))) return join(folder, folderName);
    if (folder === dirname(folder)) return join(cloneRoot, folderName);
  }
}

interface Runtime {
  readonly api: string;
  readonly tokenFile: string;
  readonly pid: number;
}

function readRuntime(dataFolder: string): Runtime {
  const file = join(dataFolder, 'runtime.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw notRunning(dataFolder, cause);
  }
  const { api, tokenFile, pid } = membersOf(text, file);
  if (typeof api !== 'string' || !URL.canParse(api)) throw notARuntime(file, `its api is ${JSON.stringify(api) ?? 'missing'}`);
  if (typeof tokenFile !== 'string') throw notARuntime(file, `its tokenFile is ${JSON.stringify(tokenFile) ?? 'missing'}`);
  if (!Number.isSafeInteger(pid) || Number(pid) < 1) throw notARuntime(file, `its pid is ${JSON.stringify(pid) ?? 'missing'}`);
  return { api, tokenFile, pid: Number(pid) };
}

function membersOf(text: string, file: string): Readonly<Record<string, unknown>> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw notARuntime(file, `it is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (typeof content !== 'object' || content === null) throw notARuntime(file, 'it is not a JSON object');
  return { ...content };
}

function notARuntime(file: string, why: string) {
  return failure('not_running', {
    message: `${file} does not say where a Burgage runs: ${why}.`,
    advice: 'Start Burgage again with npm start: it writes the file anew.',
  });
}

function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw failure('unauthenticated', {
      message: `The token cannot be read from ${file} (${code}).`,
      advice: `Run the command as the user who started Burgage, or set ${tokenVariable} and name the API with --api.`,
      cause,
    });
  }
  return clean(text.trim(), file);
}

/** What a header can carry: anything else is no token, and would not get as far as the API. */
function clean(token: string, from: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw failure('unauthenticated', {
    message: `What ${from} holds is no token.`,
    advice: `A token is one line of letters and digits; correct ${from}.`,
  });
}

/** Nothing runs on `dataFolder`, as far as can be seen. */
export function notRunning(dataFolder: string, cause?: unknown) {
  return failure('not_running', { message: `Nothing runs on the data folder ${dataFolder}.`, cause });
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
