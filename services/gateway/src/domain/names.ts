// Names by number, close together in memory: a million of them cost about thirty bytes each besides their own.
import { type HashKey, hashName } from './name-hash.ts';
import { plainInJson, viewOf } from './put.ts';

const slotsAtFirst = 64;
const bytesAtFirst = 1024;
/** Before the bytes of a name: its number, and how many characters it has, each in 4 bytes. */
const headBytes = 8;
const countAt = 4;
/** More than this share of the slots taken makes look-ups walk. */
const takenShareMax = 0.6;
const characterMax = 0xff;
// A constant of this module, for `putPlain`: it would look an imported one up for each byte.
const isPlain = plainInJson;

/**
 * Numbers are given from 0 on, without gaps and for ever. Of a million names each look is a way to the memory: from a slot it leads
 * to the name, with its number beside it.
 */
export class Names {
  readonly #key: HashKey;
  /** Two numbers for each: the hash of the name that stands there, and its place; 0 where none does. */
  #slots: Uint32Array = new Uint32Array(2 * slotsAtFirst);
  #mask: number = slotsAtFirst - 1;
  /** All names, one behind the other: its head, and a byte for each character. Where characters are no bytes, their count is inverted. */
  #bytes: Buffer = Buffer.allocUnsafeSlow(bytesAtFirst);
  #view: DataView = viewOf(this.#bytes);
  /** Where the next begins; none at 0. */
  #end = 1;
  /** Where each begins, by its number. */
  #places: Uint32Array = new Uint32Array(slotsAtFirst);
  /** Those with characters that are no bytes. */
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
    this.#count = number + 1;
    if (number === this.#places.length) this.#places = grown(this.#places, 2 * number);
    const place = this.#end;
    this.#places[number] = place;
    const isByBytes = !isWide(name);
    this.#reserve(place + headBytes + (isByBytes ? name.length : 0));
    this.#view.setInt32(place, number, true);
    this.#view.setInt32(place + countAt, isByBytes ? name.length : ~name.length, true);
    if (isByBytes) {
      this.#bytes.write(name, place + headBytes, 'latin1');
      if (this.#count > takenShareMax * (this.#mask + 1)) this.#spread();
      this.#take(hash, place);
    } else {
      this.#wide.set(name, number);
      this.#wideNames.set(number, name);
    }
    return number;
  }

  /** @param number that a name was given. */
  nameOf(number: number): string {
    const wide = this.#wideNames.size === 0 ? undefined : this.#wideNames.get(number);
    if (wide !== undefined) return wide;
    const place = this.placeOf(number);
    return this.#bytes.toString('latin1', place + headBytes, place + headBytes + this.lengthAt(place));
  }

  /** Where the name is, for good: whoever has that need not look for it. @param number that a name was given. */
  placeOf(number: number): number {
    return this.#places[number] as number;
  }

  /** Hot path. In characters. */
  lengthAt(place: number): number {
    const count = this.#view.getInt32(place + countAt, true);
    return count < 0 ? ~count : count;
  }

  /** Hot path. Puts the name there, of which JSON has all characters as they are, and answers with the place behind; -1 where it has others. */
  putPlain(place: number, to: Buffer, at: number): number {
    const count = this.#view.getInt32(place + countAt, true);
    if (count < 0) return -1;
    const bytes = this.#bytes;
    const end = place + headBytes + count;
    let next = at;
    for (let i = place + headBytes; i < end; i++) {
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
    const wanted = hash >>> 0;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = slots[2 * slot + 1] as number;
      if (place === 0) break;
      if (slots[2 * slot] === wanted && this.#isAt(place, name)) return this.#view.getInt32(place, true);
    }
    return this.#wide.size === 0 ? -1 : (this.#wide.get(name) ?? -1);
  }

  #isAt(place: number, name: string): boolean {
    const { length } = name;
    if (this.#view.getInt32(place + countAt, true) !== length) return false;
    const bytes = this.#bytes;
    const start = place + headBytes;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  /** Takes the bytes up to there. */
  #reserve(end: number): void {
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#end);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    this.#end = end;
  }

  #take(hash: number, place: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash & mask;
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = place;
  }

  /** Twice as many slots. */
  #spread(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(2 * before.length);
    this.#mask = 2 * this.#mask + 1;
    for (let at = 0; at < before.length; at += 2) {
      const place = before[at + 1] as number;
      if (place !== 0) this.#take(before[at] as number, place);
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
