// A whole Burgage for stories: real processes in a folder of their own, asked over real HTTP and the real command line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '../src/ports.ts';

const repository = resolve(import.meta.dirname, '../..');
const loopback = '127.0.0.1';
const readyTimeoutMs = 60_000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  json<T = Record<string, unknown>>(): T;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** A form, as a browser posts it from a page of the same host. */
  readonly form?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Sends one request to `port` on loopback with the Host header `host`; names are never resolved. */
export function ask(port: number, host: string, path: string, { method, headers = {}, json, form }: AskOptions = {}): Promise<Answer> {
  return new Promise((resolveAnswer, reject) => {
    const body = form ? new URLSearchParams(form).toString() : json === undefined ? undefined : JSON.stringify(json);
    const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
    const outgoing = request(
      {
        host: loopback,
        port,
        path,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        agent: false,
        headers: {
          host,
          ...(form ? { origin: `http://${host}` } : {}),
          ...(body === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      async (incoming) => {
        try {
          const chunks = await incoming.toArray();
          const text = Buffer.concat(chunks).toString('utf8');
          resolveAnswer({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: text,
            json: <T>() => JSON.parse(text) as T,
          });
        } catch (error) {
          reject(error);
        }
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

interface ProcessEntry {
  readonly process: string;
  readonly childPid: number;
  readonly args: readonly string[];
  readonly readyUrl: string;
}

/** Runs a script of ours to its end, within a bound. */
export function run(args: readonly string[]): Promise<CommandResult> {
  return runProgram(process.execPath, args);
}

/** Runs a program to its end, within a bound. */
export async function runProgram(program: string, args: readonly string[], input = ''): Promise<CommandResult> {
  const child = spawn(program, args, {
    cwd: repository,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'exit')]);
  return { code, stdout, stderr };
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** Waits until `check` answers with something, within a bound. */
export async function until<T>(what: string, check: () => Promise<T | undefined | false>, timeoutMs = 20_000): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found as T;
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

/** Where a platform starts and what is given to it. */
export interface PlatformChoice {
  /** A folder to carry on with; a new one without it. */
  readonly data?: string;
  readonly port?: number;
  readonly args?: readonly string[];
}

/** A way in which Burgage runs. */
export interface PlatformKind {
  readonly name: string;
  /** The program that starts it. */
  readonly program: string;
  /** Names of its supervised processes. */
  readonly control: readonly string[];
  readonly gateways: readonly string[];
  readonly app: string;
  /** More for a platform on the folder `data`. */
  readonly surroundings?: (data: string) => Promise<{ readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }>;
}

/** `npm start`. */
export const embedded: PlatformKind = {
  name: 'on embedded engines',
  program: 'local/src/main.ts',
  control: ['control'],
  gateways: ['gateway'],
  app: 'desk-shared',
};

/** Burgage as it is started by a user, on a port and a folder of its own. */
export class Platform {
  readonly kind: PlatformKind;
  readonly port: number;
  readonly data: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(kind: PlatformKind, child: ChildProcess, port: number, data: string) {
    this.kind = kind;
    this.#child = child;
    this.port = port;
    this.data = data;
    child.stdout?.on('data', (chunk) => {
      this.#output += String(chunk);
    });
    child.stderr?.on('data', (chunk) => {
      this.#output += String(chunk);
    });
  }

  /** Resolves when it says `ready`. */
  static async start(kind: PlatformKind = embedded, choice: PlatformChoice = {}): Promise<Platform> {
    const data = choice.data ?? (await mkdtemp(join(tmpdir(), 'burgage-story-')));
    const port = choice.port ?? (await freePort(loopback));
    const { args, env } = (await kind.surroundings?.(data)) ?? { args: [], env: {} };
    const child = spawn(process.execPath, [kind.program, '--port', String(port), '--data', data, ...args, ...(choice.args ?? [])], {
      cwd: repository,
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const platform = new Platform(kind, child, port, data);
    try {
      await until(
        'ready',
        async () => platform.#output.includes('\nready') || platform.#output.startsWith('ready') || child.exitCode !== null,
        readyTimeoutMs,
      );
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`Burgage did not start: ${platform.#output}`, { cause: error });
    }
    if (child.exitCode !== null) throw new Error(`Burgage did not start: ${platform.#output}`);
    return platform;
  }

  get output(): string {
    return this.#output;
  }

  /** The same once more: on the same folder and engines. */
  startAgain(): Promise<Platform> {
    return Platform.start(this.kind, { data: this.data });
  }

  /** Every supervised process. */
  get processNames(): readonly string[] {
    return [...this.kind.control, ...this.kind.gateways, this.kind.app];
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The newest process id of a supervised process, from the supervisor's log. */
  async pidOf(name: string): Promise<number> {
    return (await this.#newest(name)).childPid;
  }

  /** The newest start of a process, as the supervisor has logged it. */
  async #newest(name: string): Promise<ProcessEntry> {
    const lines = (await readFile(join(this.data, 'logs', 'supervisor.log'), 'utf8')).trim().split('\n');
    const found = lines.map((line): ProcessEntry => JSON.parse(line)).findLast((entry) => entry.process === name && entry.childPid);
    if (!found) throw new Error(`no process ${name} in the supervisor's log`);
    return found;
  }

  /** True when a supervised process answers at its ready address. */
  async isReady(name: string): Promise<boolean> {
    const response = await fetch(await this.readyUrlOf(name), { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
    return response?.ok === true;
  }

  async readyUrlOf(name: string): Promise<string> {
    return (await this.#newest(name)).readyUrl;
  }

  /** What a supervised process was given for a flag. */
  async flagOf(name: string, flag: string): Promise<string> {
    const { args } = await this.#newest(name);
    const value = args[args.indexOf(flag) + 1];
    if (!args.includes(flag) || value === undefined) throw new Error(`${name} has no ${flag}`);
    return value;
  }

  ask(host: string, path: string, options?: AskOptions): Promise<Answer> {
    return this.askOn(this.port, host, path, options);
  }

  /** Asks on a port of its own, such as that of the second gateway. */
  askOn(port: number, host: string, path: string, options?: AskOptions): Promise<Answer> {
    return ask(port, host.includes('.') ? host : `${host}.localhost:${this.port}`, path, options);
  }

  /** The command line, as a user runs it. */
  cli(...args: string[]): Promise<CommandResult> {
    return run(['cli/bin/burgage.js', '--data', this.data, ...args]);
  }

  /** Signs up and waits until it is live; answers with the tenant. */
  async createTenant(company: string, owner = 'owner@acme.test'): Promise<{ id: string; slug: string; url: string }> {
    const created = await this.cli('tenants', 'create', '--company', company, '--plan', 'trial', '--owner', owner, '--wait', '-o', 'json');
    if (created.code !== 0) throw new Error(`tenants create ended with ${created.code}: ${created.stderr}`);
    const answer = JSON.parse(created.stdout);
    return answer.tenant;
  }

  /** The path of the invitation in the welcome mail of a tenant. */
  async invitation(slug: string): Promise<string> {
    const folder = join(this.data, 'mail');
    return await until(`the welcome mail of ${slug}`, async () => {
      for (const name of await readdir(folder)) {
        if (!name.endsWith('.eml')) continue;
        const text = await readFile(join(folder, name), 'utf8');
        const found = text.match(new RegExp(`http://${slug}\\.localhost:\\d+(/welcome\\?token=\\S+)`));
        if (found?.[1]) return found[1];
      }
      return undefined;
    });
  }

  /** Accepts the invitation as the owner does in a browser, then signs in over the API; answers with the session's token. */
  async signInAsOwner(slug: string, email: string, password: string): Promise<string> {
    const path = await this.invitation(slug);
    const token = new URLSearchParams(path.split('?')[1]).get('token') ?? '';
    const accepted = await this.ask(slug, '/welcome', { form: { token, password, confirm: password } });
    if (accepted.status >= 400) throw new Error(`the invitation was not accepted: ${accepted.status} ${accepted.body}`);
    const session = await this.ask(slug, '/api/session', { json: { email, password } });
    if (session.status !== 201) throw new Error(`the owner could not sign in: ${session.status} ${session.body}`);
    return session.json<{ token: string }>().token;
  }

  /** Ctrl-C. Resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGINT');
      await once(this.#child, 'exit');
    }
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** Stops it and takes its folder away. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }
}

/** True while a process of that id lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
