// Processes that live at most as long as this one, through a keeper that is started with the first of them.
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { LabError } from './errors.ts';
import type { FromKeeper, SpawnRequest, ToKeeper } from './keeper-protocol.ts';

/** A process that the keeper started. */
export interface KeptProcess {
  readonly pid: number;
  /** How it ended, in words; undefined while it lives. */
  readonly ended: string | undefined;
  /** Resolves with how it ended. */
  end(): Promise<string>;
}

type Question = ToKeeper extends infer Message ? (Message extends { readonly id: number } ? Omit<Message, 'id'> : never) : never;

/** The other end of the keeper. While nobody waits for it, it does not keep this process alive. */
class Keeper {
  readonly #process: ChildProcess;
  readonly #asked = new Map<number, { resolve(started: KeptProcess | undefined): void; reject(error: Error): void }>();
  readonly #watched = new Map<number, (how: string) => void>();
  #lastId = 0;
  /** How many wait for something that the keeper will say. */
  #waiting = 0;
  gone = false;

  constructor() {
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.#process = fork(join(import.meta.dirname, 'keeper.ts'), [], {
      execArgv: [],
      env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    this.#process.on('message', (message: FromKeeper) => this.#hear(message));
    this.#process.on('error', (error) => this.#end(error.message));
    this.#process.on('exit', () => this.#end('it ended'));
    this.#process.unref();
    this.#process.channel?.unref();
  }

  async start(request: SpawnRequest): Promise<KeptProcess> {
    const started = await this.#ask({ do: 'spawn', request });
    if (started === undefined) throw new LabError(`${request.command} could not be started: the keeper named no process`);
    return started;
  }

  async own(folder: string): Promise<void> {
    await this.#ask({ do: 'own', folder });
  }

  async disown(folder: string): Promise<void> {
    await this.#ask({ do: 'disown', folder });
  }

  async #ask(question: Question): Promise<KeptProcess | undefined> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<KeptProcess | undefined>();
    this.#asked.set(id, answer);
    this.#process.send({ ...question, id });
    return await this.#waitFor(answer.promise);
  }

  #hear(message: FromKeeper): void {
    switch (message.said) {
      case 'done':
        this.#asked.get(message.id)?.resolve(message.pid === undefined ? undefined : this.#watch(message.pid));
        this.#asked.delete(message.id);
        return;
      case 'failed':
        this.#asked.get(message.id)?.reject(new LabError(message.message));
        this.#asked.delete(message.id);
        return;
      case 'exited':
        this.#watched.get(message.pid)?.(message.how);
        this.#watched.delete(message.pid);
        return;
      default:
        message satisfies never;
    }
  }

  /** At once when the keeper names it: the next thing it says may be that the process has ended. */
  #watch(pid: number): KeptProcess {
    const exit = Promise.withResolvers<string>();
    let ended: string | undefined;
    this.#watched.set(pid, (how) => {
      ended = how;
      exit.resolve(how);
    });
    return {
      pid,
      end: () => this.#waitFor(exit.promise),
      get ended() {
        return ended;
      },
    };
  }

  async #waitFor<T>(said: Promise<T>): Promise<T> {
    if (++this.#waiting === 1) this.#process.channel?.ref();
    try {
      return await said;
    } finally {
      if (--this.#waiting === 0) this.#process.channel?.unref();
    }
  }

  #end(how: string): void {
    this.gone = true;
    for (const { reject } of this.#asked.values()) reject(new LabError(`the keeper of the servers is gone: ${how}`));
    this.#asked.clear();
    for (const exited of this.#watched.values()) exited('lost its keeper');
    this.#watched.clear();
  }
}

let current: Keeper | undefined;

function keeper(): Keeper {
  if (current === undefined || current.gone) current = new Keeper();
  return current;
}

/** Starts a process that ends with this one. @throws LabError when it cannot be started. */
export function startKept(request: SpawnRequest): Promise<KeptProcess> {
  return keeper().start(request);
}

/** From now on `folder` is removed when this process ends, however it ends. */
export function ownFolder(folder: string): Promise<void> {
  return keeper().own(folder);
}

/** `folder` is no longer this process's to remove. */
export function disownFolder(folder: string): Promise<void> {
  return keeper().disown(folder);
}
