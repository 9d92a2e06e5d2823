// Starts the processes of the conformance suite, listens to them, and ends them by their pid.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ChildOrder } from './child.ts';

const childFile = fileURLToPath(new URL('./child.ts', import.meta.url));

export class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #waiting = new Set<() => void>();
  /** Every line said so far. */
  readonly lines: string[] = [];
  #errors = '';
  #over = false;

  constructor(order: ChildOrder) {
    this.#process = spawn(process.execPath, [childFile, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stdin.on('error', () => {});
    this.#process.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#wake();
    });
    // After its last line was read.
    this.#ended = once(this.#process, 'close').then(() => {
      this.#over = true;
      this.#wake();
    });
  }

  /** Resolves when a line passes `test`. @throws when the process ends before. */
  async said(test: (line: string) => boolean): Promise<void> {
    while (!this.lines.some(test)) {
      if (this.#over) throw new Error(`the process ended too early: ${this.#errors}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Lets a process that has said `ready` begin. */
  go(): void {
    this.#process.stdin.write('go\n');
  }

  /** Resolves when it has ended by itself. @throws when it failed. */
  async finished(): Promise<void> {
    await this.#ended;
    if (this.#process.exitCode !== 0) throw new Error(`the process failed: ${this.#errors}`);
  }

  /** `kill -9`; resolves when it is gone and all that it said is in `lines`. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Starts one process for each order; all begin their tasks at the same moment. */
export async function startTogether(orders: readonly ChildOrder[]): Promise<readonly Child[]> {
  const children = orders.map((order) => new Child(order));
  try {
    await Promise.all(children.map((child) => child.said((line) => line === 'ready')));
  } catch (error) {
    await Promise.all(children.map((child) => child.kill()));
    throw error;
  }
  for (const child of children) child.go();
  return children;
}
