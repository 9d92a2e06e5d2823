// Finds the API to talk to and the token for it: in the data folder of a Burgage that runs here, or as the user says.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface Connection {
  /** `http://127.0.0.1:4711`, without a slash at the end. */
  readonly api: string;
  readonly token: string;
  /** The data folder that it was found in; undefined where the user named the API. */
  readonly dataFolder: string | undefined;
}

export interface ConnectionOptions {
  readonly data?: string | undefined;
  readonly api?: string | undefined;
}

const folderName = '.burgage';
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
  const tokenFile = isAbsolute(runtime.tokenFile) ? runtime.tokenFile : join(dataFolder, runtime.tokenFile);
  return { api: runtime.api.replace(/\/+$/, ''), token: readToken(tokenFile), dataFolder };
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
  return { api: api.replace(/\/+$/, ''), token, dataFolder: undefined };
}

function findDataFolder(data: string | undefined, { env, cwd }: Terminal): string {
  const named = data ?? (env.BURGAGE_DATA || undefined);
  if (named !== undefined) return resolve(cwd, named);
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, folderName))) return join(folder, folderName);
    if (folder === dirname(folder)) return join(cloneRoot, folderName);
  }
}

function readRuntime(dataFolder: string): { api: string; tokenFile: string } {
  const file = join(dataFolder, 'runtime.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw notRunning(dataFolder, cause);
  }
  try {
    const runtime: unknown = JSON.parse(text);
    if (typeof runtime === 'object' && runtime !== null && 'api' in runtime && 'tokenFile' in runtime) {
      const { api, tokenFile } = runtime;
      if (typeof api === 'string' && URL.canParse(api) && typeof tokenFile === 'string') return { api, tokenFile };
    }
  } catch {
    // Said below, with the file's name.
  }
  throw failure('data_corrupt', {
    message: `${file} is not what a running Burgage writes.`,
    advice: 'Start Burgage again: it writes the file anew.',
  });
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw failure('unauthenticated', {
      message: `The token cannot be read from ${file} (${code}).`,
      advice: 'Run the command as the user who started Burgage, or set BURGAGE_TOKEN and name the API with --api.',
      cause,
    });
  }
}

/** Nothing runs on `dataFolder`, as far as can be seen. */
export function notRunning(dataFolder: string, cause?: unknown) {
  return failure('not_running', { message: `Nothing runs on the data folder ${dataFolder}.`, cause });
}
