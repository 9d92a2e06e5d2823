// The few words that the main thread and a worker have in common, and the keys of session tickets that all workers have.
import type { Random } from '@burgage/runtime';
import { keyBytes, type TicketKeySource, TicketKeys } from '../engine/front/ticket-keys.ts';

const generationAt = 0;
const inSyncAt = 1;
const turnsAt = 2;
const wordsCount = 3;

export class WorkerWords {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * wordsCount)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Hot path. The last change that was fed to the worker and is in force. */
  get generation(): number {
    return Atomics.load(this.#words, generationAt);
  }

  /** After the change itself has been sent. */
  set generation(generation: number) {
    Atomics.store(this.#words, generationAt, generation);
  }

  /** Whether a host that the table of this generation does not know is not known to anybody. */
  get inSync(): boolean {
    return Atomics.load(this.#words, inSyncAt) === 1;
  }

  set inSync(inSync: boolean) {
    Atomics.store(this.#words, inSyncAt, inSync ? 1 : 0);
  }

  /** How often the worker has said that it turns its loop. */
  get turns(): number {
    return Atomics.load(this.#words, turnsAt);
  }

  turn(): void {
    Atomics.add(this.#words, turnsAt, 1);
  }
}

/** Behind one word, which is odd while the key is being changed. */
const ticketBytes = 4 + keyBytes;

/** The main thread's side: makes the keys. */
export class TicketKeyWriter {
  readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(ticketBytes);
  readonly #keys: TicketKeys;

  constructor(random: Random, lifeMs: number, nowMs: number) {
    this.#keys = new TicketKeys(random, lifeMs, nowMs);
    this.#write();
  }

  /** Called now and then. */
  rotate(nowMs: number): void {
    if (this.#keys.rotate(nowMs)) this.#write();
  }

  #write(): void {
    const version = new Int32Array(this.buffer, 0, 1);
    Atomics.add(version, 0, 1);
    new Uint8Array(this.buffer, 4).set(this.#keys.current);
    Atomics.add(version, 0, 1);
  }
}

/** A worker's side: has the keys that the main thread made. */
export class SharedTicketKeys implements TicketKeySource {
  readonly #version: Int32Array;
  readonly #bytes: Uint8Array;
  #seen: number;
  #key: Buffer;

  constructor(buffer: SharedArrayBuffer) {
    this.#version = new Int32Array(buffer, 0, 1);
    this.#bytes = new Uint8Array(buffer, 4);
    this.#seen = Atomics.load(this.#version, 0);
    this.#key = Buffer.from(this.#bytes);
  }

  get current(): Buffer {
    return this.#key;
  }

  rotate(): boolean {
    const version = Atomics.load(this.#version, 0);
    if (version === this.#seen || version % 2 === 1) return false;
    const key = Buffer.from(this.#bytes);
    // Changed again meanwhile: at the next look.
    if (Atomics.load(this.#version, 0) !== version) return false;
    this.#seen = version;
    this.#key = key;
    return true;
  }
}
