// Names by number, close together in memory: a million of them cost a few bytes each besides their own.
import { type HashKey, hashName } from './name-hash.ts';
import { plainInJson } from './put.ts';

const slotsAtFirst = 64;
const bytesAtFirst = 1024;
/** More than this share of the slots taken makes look-ups walk. */
const takenShareMax = 0.6;
const characterMax = 0xff;
// A constant of this module, for `putPlain`: it would look an imported one up for each byte.
const isPlain = plainInJson;

/** Numbers are given from 0 on, without gaps and for ever. */
export class Names {
  readonly #key: HashKey;
  /** Two numbers for each: the hash of the name that stands there, and its number plus 1; 0 where none does. */
  #slots: Int32Array = new Int32Array(2 * slotsAtFirst);
  #mask: number = slotsAtFirst - 1;
  /** All names, one behind the other, a byte for each character. */
  #bytes: Buffer = Buffer.allocUnsafeSlow(bytesAtFirst);
  /** Where each begins, and behind the last where the next will. */
  #places: Uint32Array = new Uint32Array(slotsAtFirst + 1);
  /** Those with characters that are no byte; they have no bytes above. */
  readonly #wide = new Map<string, number>();
  readonly #wideNames = new Map<number, string>();
  #count = 0;

  constructor(key: HashKey) {
    this.#key = key;
  }

  get count(): number {
    return this.#count;
  }

  /** Hot path. The number of `name`; -1 where it has none. */
  find(name: string): number {
    return this.#look(name, hashName(name, this.#key));
  }

  /** The number of `name`, which it is given if it has none. */
  add(name: string): number {
    const hash = hashName(name, this.#key);
    const known = this.#look(name, hash);
    if (known >= 0) return known;
    const number = this.#count;
    if (number + 1 === this.#places.length) this.#places = grown(this.#places, 2 * number + 1);
    const start = this.#places[number] as number;
    if (isWide(name)) {
      this.#wide.set(name, number);
      this.#wideNames.set(number, name);
      this.#places[number + 1] = start;
    } else {
      this.#places[number + 1] = start + this.#write(name, start);
      if (number + 1 > takenShareMax * (this.#mask + 1)) this.#spread();
      this.#take(hash, number);
    }
    this.#count = number + 1;
    return number;
  }

  /** @param number that a name was given. */
  nameOf(number: number): string {
    const wide = this.#wideNames.size === 0 ? undefined : this.#wideNames.get(number);
    return wide ?? this.#bytes.toString('latin1', this.#places[number], this.#places[number + 1]);
  }

  /** In characters. @param number that a name was given. */
  lengthOf(number: number): number {
    const wide = this.#wideNames.size === 0 ? undefined : this.#wideNames.get(number);
    return wide === undefined ? (this.#places[number + 1] as number) - (this.#places[number] as number) : wide.length;
  }

  /**
   * Hot path. Puts the name there, of which JSON has all characters as they are, and answers with the place behind; -1 where it has
   * others. @param number that a name was given.
   */
  putPlain(number: number, to: Buffer, at: number): number {
    if (this.#wideNames.size > 0 && this.#wideNames.has(number)) return -1;
    const bytes = this.#bytes;
    const end = this.#places[number + 1] as number;
    let next = at;
    for (let i = this.#places[number] as number; i < end; i++) {
      const byte = bytes[i] as number;
      if (isPlain[byte] === 0) return -1;
      to[next++] = byte;
    }
    return next;
  }

  /** Hot path. */
  #look(name: string, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = (slots[2 * slot + 1] as number) - 1;
      if (number < 0) break;
      if (slots[2 * slot] === hash && this.#is(number, name)) return number;
    }
    return this.#wide.size === 0 ? -1 : (this.#wide.get(name) ?? -1);
  }

  #is(number: number, name: string): boolean {
    const start = this.#places[number] as number;
    const { length } = name;
    if ((this.#places[number + 1] as number) - start !== length) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  #write(name: string, at: number): number {
    const end = at + name.length;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return this.#bytes.write(name, at, 'latin1');
  }

  #take(hash: number, number: number): void {
    const mask = this.#mask;
    let slot = hash & mask;
    while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    this.#slots[2 * slot] = hash;
    this.#slots[2 * slot + 1] = number + 1;
  }

  /** Twice as many slots. */
  #spread(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * before.length);
    this.#mask = 2 * this.#mask + 1;
    for (let at = 0; at < before.length; at += 2) {
      const number = (before[at + 1] as number) - 1;
      if (number >= 0) this.#take(before[at] as number, number);
    }
  }
}

function isWide(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > characterMax) return true;
  return false;
}

/** The same numbers with room for more. */
export function grown<T extends Int32Array | Uint32Array | Float64Array>(before: T, length: number): T {
  const after = new (before.constructor as new (length: number) => T)(length);
  after.set(before);
  return after;
}
