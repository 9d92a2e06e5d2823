// One worker as the main thread sees it: a thread from its beginning to its end.
import { MessageChannel, Worker } from 'node:worker_threads';
import { BurgageError } from '@burgage/contracts';
import type { FromWorker, ToWorker, WorkerSetup } from './messages.ts';
import { RouteFeed, type RouteFeedOptions } from './route-feed.ts';
import { WorkerWords } from './words.ts';

/** In the published bundle the worker is a bundle of its own beside it. */
const workerFile = import.meta.url.endsWith('.ts') ? './worker.ts' : './gateway-worker.js';

/** Until a thread serves it may stand still for longer: it reads its code. */
const beginMsMax = 60_000;

export interface Addresses {
  readonly address: string;
  readonly httpsAddress: string | undefined;
}

export interface WorkerThreadOptions {
  readonly setup: Omit<WorkerSetup, 'words' | 'feed'>;
  readonly execArgv: readonly string[] | undefined;
  readonly feed: Omit<RouteFeedOptions, 'port' | 'words'>;
  /** Hears what the thread says that is not about its own life. */
  readonly onSaid: (thread: WorkerThread, said: FromWorker) => void;
}

export class WorkerThread {
  /** From 0; one that takes another's place has the same. */
  readonly number: number;
  readonly words = new WorkerWords();
  readonly feed: RouteFeed;
  readonly thread: Worker;
  /** Resolves once it listens. @throws BurgageError why it does not. */
  readonly listening: Promise<Addresses>;
  /** Why it ended; undefined where it was told to. */
  readonly ended: Promise<string | undefined>;
  isListening = false;
  #drained = Promise.withResolvers<void>();
  #stopped = Promise.withResolvers<void>();
  #problem: string | undefined;
  #isStopping = false;
  #turns = 0;
  #turnedMs: number;

  constructor({ setup, execArgv, feed, onSaid }: WorkerThreadOptions, nowMs: number) {
    this.number = setup.worker;
    this.#turnedMs = nowMs;
    const { port1, port2 } = new MessageChannel();
    this.feed = new RouteFeed({ ...feed, port: port1, words: this.words });
    const { promise, resolve, reject } = Promise.withResolvers<Addresses>();
    this.listening = promise;
    promise.catch(() => {});
    this.thread = new Worker(new URL(workerFile, import.meta.url), {
      workerData: { ...setup, words: this.words.buffer, feed: port2 } satisfies WorkerSetup,
      ...(execArgv && { execArgv: [...execArgv] }),
      transferList: [port2],
      name: `gateway worker ${setup.worker}`,
    });
    this.thread.on('message', (said: FromWorker) => {
      switch (said.kind) {
        case 'listening':
          this.isListening = true;
          resolve(said);
          break;
        case 'failed':
          this.#problem = said.message;
          reject(new BurgageError(said.code, { message: said.message, fields: said.fields }));
          break;
        case 'taken':
          this.feed.taken();
          break;
        case 'drained':
          this.#drained.resolve();
          break;
        case 'stopped':
          this.#stopped.resolve();
          break;
        default:
          onSaid(this, said);
      }
    });
    this.thread.on('error', (error: Error) => {
      this.#problem ??= error.message;
    });
    this.ended = new Promise((done) => {
      this.thread.once('exit', (code) => {
        this.isListening = false;
        this.feed.close();
        const why = this.#isStopping ? undefined : (this.#problem ?? `it ended with code ${code}`);
        reject(new BurgageError('internal', { message: `Worker ${this.number} did not start: ${why}.` }));
        this.#drained.resolve();
        this.#stopped.resolve();
        done(why);
      });
    });
  }

  say(message: ToWorker): void {
    this.thread.postMessage(message);
  }

  /** Ends it where it has not turned its loop for so long. */
  check(nowMs: number, stuckMs: number): void {
    const { turns } = this.words;
    if (turns !== this.#turns) {
      this.#turns = turns;
      this.#turnedMs = nowMs;
      return;
    }
    const stillMs = nowMs - this.#turnedMs;
    if (stillMs >= (this.isListening ? stuckMs : Math.max(stuckMs, beginMsMax)))
      this.kill(`it did not turn its loop for ${Math.round(stillMs)} ms`);
  }

  kill(reason: string): void {
    if (this.#problem !== undefined) return;
    this.#problem = reason;
    void this.thread.terminate();
  }

  async drain(): Promise<void> {
    this.say({ kind: 'drain' });
    await this.#drained.promise;
  }

  /** Lets it end what it has to, for so long at most, and ends it. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    this.say({ kind: 'stop' });
    const late = setTimeout(() => this.#stopped.resolve(), withinMs);
    await this.#stopped.promise;
    clearTimeout(late);
    await this.thread.terminate();
  }
}
