// A log that never grows beyond two files: what is written goes to the newer, which takes the place of the older when it is full.
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { complaintIn } from './complaint.ts';

/** Of what it says last, in a status. */
const lineBytesMax = 300;

/** Writes that fail cost log lines and nothing else. */
export class BoundedLog extends Writable {
  readonly #file: string;
  readonly #bytesMax: number;
  #open: { readonly fd: number; bytes: number } | undefined;
  #tail = '';

  /** `file` and `file.1` have at most `bytesMax` bytes each. */
  constructor(file: string, bytesMax: number) {
    super({ decodeStrings: true });
    this.#file = file;
    this.#bytesMax = bytesMax;
  }

  /** Forgets what was said so far, for `lastLine`. */
  turn(): void {
    this.#tail = '';
  }

  /**
   * The last line that says something, cut: none of the frames that follow an error, nor Node's own name; of entries in
   * JSON what warnings and errors say. Empty where there is none.
   */
  get lastLine(): string {
    const said = this.#tail.split('\n').filter((line) => /^[^\s})\]^]/.test(line) && !/^(Node\.js v\d|Emitted '\w+' event)/.test(line));
    const complaint = said.map(complaintIn).findLast((text) => text !== '') ?? '';
    return complaint.slice(0, lineBytesMax);
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#tail = (this.#tail + chunk.toString('utf8')).slice(-20 * lineBytesMax);
    try {
      for (let from = 0; from < chunk.length; ) {
        const log = this.#withRoom();
        const written = writeSync(log.fd, chunk, from, Math.min(chunk.length - from, this.#bytesMax - log.bytes));
        log.bytes += written;
        from += written;
      }
    } catch {
      this.#close();
    }
    done();
  }

  override _final(done: () => void): void {
    this.#close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close();
    done(error);
  }

  #withRoom(): { readonly fd: number; bytes: number } {
    this.#open ??= this.#append();
    if (this.#open.bytes < this.#bytesMax) return this.#open;
    this.#close();
    renameSync(this.#file, `${this.#file}.1`);
    this.#open = this.#append();
    return this.#open;
  }

  #append(): { readonly fd: number; bytes: number } {
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const fd = openSync(this.#file, 'a', 0o600);
    return { fd, bytes: fstatSync(fd).size };
  }

  #close(): void {
    if (this.#open === undefined) return;
    closeSync(this.#open.fd);
    this.#open = undefined;
  }
}
