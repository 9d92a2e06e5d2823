// The keys of session tickets: in one place, so that all listeners take each other's tickets, and changed now and then.
import type { Random } from '@burgage/runtime';

/** A name, a key to sign with and a key to encrypt with, 16 bytes each: what node:tls wants. */
export const keyBytes = 48;

export interface TicketKeySource {
  readonly current: Buffer;
  /** True where the key is another one from now on. */
  rotate(nowMs: number): boolean;
}

/** A ticket opens what was sent with it, to whoever has the key: so a key does not live long, nor is it ever written down. */
export class TicketKeys implements TicketKeySource {
  readonly #random: Random;
  readonly #lifeMs: number;
  #key: Buffer;
  #madeMs: number;

  constructor(random: Random, lifeMs: number, nowMs: number) {
    this.#random = random;
    this.#lifeMs = lifeMs;
    this.#key = Buffer.from(random.bytes(keyBytes));
    this.#madeMs = nowMs;
  }

  get current(): Buffer {
    return this.#key;
  }

  /** Makes a new key where the last has lived for long enough: true then. Tickets of the last one cost their clients a whole handshake. */
  rotate(nowMs: number): boolean {
    if (nowMs - this.#madeMs < this.#lifeMs) return false;
    this.#key = Buffer.from(this.#random.bytes(keyBytes));
    this.#madeMs = nowMs;
    return true;
  }
}
