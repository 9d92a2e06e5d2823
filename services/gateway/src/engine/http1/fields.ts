// The field lines of one head or trailer section, as places within the bytes that they came in.
import { blankBytes, colon, cr, isWord, lf, space, tab, tokenBytes, underscore, valueBytes } from './bytes.ts';

// Constants of this module, for the reader: it would look imported ones up for each byte.
const inBlank = blankBytes;
const inValue = valueBytes;
/** 1 for the characters of a name, and 3 for the underscore, so that the bits of a name tell whether it has one. */
const inName = Uint8Array.from(tokenBytes, (isToken, byte) => (byte === underscore ? 3 : isToken));
const underscoreBit = 2;

/** Names that the gateway acts upon. All others are `fieldIds.other`. At most 31 of them: each is a bit of what a head has. */
export const fieldIds = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  expect: 5,
  upgrade: 6,
  te: 7,
  trailer: 8,
  keepAlive: 9,
  proxyConnection: 10,
  proxyAuthenticate: 11,
  proxyAuthorization: 12,
  forwarded: 13,
  traceparent: 14,
  tracestate: 15,
  xRequestId: 16,
  xRealIp: 17,
  xClientIp: 18,
  trueClientIp: 19,
  xForwarded: 20,
  xOriginalUrl: 21,
  xRewriteUrl: 22,
  proxy: 23,
  accept: 24,
  setCookie: 25,
  date: 26,
  close: 27,
  /** Every name that begins with `x-forwarded-`. */
  xForwardedAny: 28,
  /** Every name that begins with `burgage-`. */
  burgageAny: 29,
  /** Every other name with an underscore. */
  underscored: 30,
} as const;

export type FieldId = (typeof fieldIds)[keyof typeof fieldIds];

/** The exact names, by id. */
const exactNames: readonly string[] = Object.keys(fieldIds)
  .slice(0, fieldIds.xForwardedAny)
  .map((key) => (key === 'other' ? '' : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)));
const idsByName: ReadonlyMap<string, FieldId> = new Map(exactNames.map((name, id) => [name, id as FieldId] as const).slice(1));
const xForwardedPrefix = 'x-forwarded-';
const burgagePrefix = 'burgage-';

/** The one id that a name of that length with that first and last letter can have. */
const idBySlot = new Uint8Array(64);
for (const [id, name] of exactNames.entries()) {
  if (id === fieldIds.other) continue;
  const slot = slotOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
  if (idBySlot[slot] !== 0) throw new TypeError(`${name} has the slot of another name: other factors are needed`);
  idBySlot[slot] = id;
}
/** The bytes of the exact names, one name after the other, and where each begins. */
const nameBytes: Uint8Array = Buffer.from(exactNames.join(''), 'latin1');
const nameBytesAt = Uint16Array.from([...exactNames, ''], (_, id) => exactNames.slice(0, id).join('').length);

/** What `read` answers with where it is not at the end of the section. */
export const fieldsOpen = -1;
export const fieldsRefused = -2;

/** Where `read` stopped within a line. */
type Phase = 'line' | 'name' | 'blank' | 'value';

const linesAtFirst = 32;
const noBytes: Buffer = Buffer.alloc(0);

/**
 * Field lines up to the empty line that ends them, without a string or an object for any of them. Made once, used for
 * one section after the other: `begin`, then `read` until it has an end. Places are those of the bytes that were read
 * last, which have to stay until the fields have been used.
 *
 * A line is a token, a colon at once, and a value of blanks, visible characters and bytes beyond ASCII up to CRLF
 * (RFC 9112 section 5). A bare CR or LF, NUL and every other control character, a folded line, a blank before the colon
 * and a name that is no token are refused.
 */
export class Fields {
  /** The bytes that all places are in. */
  bytes: Buffer = noBytes;
  count = 0;
  /** Where `read` goes on; its start was `begin`. */
  at = 0;
  /** Why `read` refused. */
  fault = '';
  /** It refused because there are more lines than it was to take. */
  hasTooMany = false;
  /** For each line: start and end of the name, start and end of the value without blanks around it. */
  #places: Int32Array = new Int32Array(4 * linesAtFirst);
  #ids: Uint8Array = new Uint8Array(linesAtFirst);
  /** A bit for each id that came, and for each that came again. */
  #seen = 0;
  #repeated = 0;
  /** The last line of each id that came. */
  #lastOf: Uint16Array = new Uint16Array(32);
  #phase: Phase = 'line';
  #nameStart = 0;
  #nameEnd = 0;
  #nameBits = 0;
  #valueStart = 0;

  /** Forgets everything; the next section begins at that place. */
  begin(at: number): void {
    this.count = 0;
    this.at = at;
    this.fault = '';
    this.hasTooMany = false;
    this.#seen = 0;
    this.#repeated = 0;
    this.#phase = 'line';
  }

  /** Lets go of the bytes, and so of what was found in them. */
  release(): void {
    this.begin(0);
    this.bytes = noBytes;
  }

  /** The bytes so far have been moved by so many places: `read` goes on in another buffer or at another place of it. */
  move(distance: number): void {
    const places = this.#places;
    for (let i = 0; i < this.count * 4; i++) places[i] = (places[i] as number) + distance;
    this.at += distance;
    this.#nameStart += distance;
    this.#nameEnd += distance;
    this.#valueStart += distance;
  }

  /**
   * Reads on from `at` and never at or beyond `stop`. Answers with the place behind the empty line that ends the section,
   * `fieldsOpen` where that is not there yet (call again with more), or `fieldsRefused` with `fault` set.
   */
  read(bytes: Buffer, stop: number, linesMax: number): number {
    this.bytes = bytes;
    const end = this.#phase === 'line' ? this.#takeLines(bytes, stop, linesMax) : fieldsOpen;
    return end === fieldsOpen ? this.#readOn(bytes, stop, linesMax) : end;
  }

  /**
   * Hot path. Takes whole lines without fault, and the end if there is nothing before it but these. All else is left to
   * `#readOn`, which could read these too, at half the speed.
   */
  #takeLines(bytes: Buffer, stop: number, linesMax: number): number {
    const places = this.#places;
    const ids = this.#ids;
    const countMax = Math.min(linesMax, ids.length);
    const lastOf = this.#lastOf;
    let seen = this.#seen;
    let repeated = this.#repeated;
    let count = this.count;
    let at = this.at;
    let taken = at;
    let end = fieldsOpen;
    while (count < countMax) {
      const nameStart = at;
      let nameBits = 0;
      while (at < stop) {
        const bits = inName[bytes[at] as number] as number;
        if (bits === 0) break;
        nameBits |= bits;
        at++;
      }
      if (at === stop || bytes[at] !== colon || at === nameStart) {
        if (at === nameStart && at + 1 < stop && bytes[at] === cr && bytes[at + 1] === lf) end = at + 2;
        break;
      }
      const nameEnd = at;
      at++;
      while (at < stop && inBlank[bytes[at] as number] !== 0) at++;
      const valueStart = at;
      while (at + 3 < stop) {
        const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
        const high = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
        if (hasControl(low | (high << 16))) break;
        at += 4;
      }
      while (at < stop && inValue[bytes[at] as number] !== 0) at++;
      if (at + 1 >= stop || bytes[at] !== cr || bytes[at + 1] !== lf) break;
      let valueEnd = at;
      while (valueEnd > valueStart && inBlank[bytes[valueEnd - 1] as number] !== 0) valueEnd--;
      const place = count << 2;
      places[place] = nameStart;
      places[place + 1] = nameEnd;
      places[place + 2] = valueStart;
      places[place + 3] = valueEnd;
      const id = (nameBits & underscoreBit) !== 0 ? idOfUnderscored(bytes, nameStart, nameEnd) : idOf(bytes, nameStart, nameEnd);
      const bit = 1 << id;
      repeated |= seen & bit;
      seen |= bit;
      ids[count] = id;
      lastOf[id] = count;
      count++;
      at += 2;
      taken = at;
    }
    this.#seen = seen;
    this.#repeated = repeated;
    this.count = count;
    this.at = taken;
    return end;
  }

  /** The rest: a line that has not ended yet, or a fault, or the end. */
  #readOn(bytes: Buffer, stop: number, linesMax: number): number {
    let at = this.at;
    let phase = this.#phase;
    let nameStart = this.#nameStart;
    let nameEnd = this.#nameEnd;
    let nameBits = this.#nameBits;
    let valueStart = this.#valueStart;
    while (at < stop) {
      if (phase === 'line') {
        if (bytes[at] === cr) {
          if (at + 1 === stop) break;
          if (bytes[at + 1] !== lf) return this.#refuse('a CR came without LF');
          return at + 2;
        }
        nameStart = at;
        nameBits = 0;
        phase = 'name';
      }
      if (phase === 'name') {
        while (at < stop) {
          const bits = inName[bytes[at] as number] as number;
          if (bits === 0) break;
          nameBits |= bits;
          at++;
        }
        if (at === stop) break;
        if (bytes[at] !== colon || at === nameStart) return this.#refuse(nameFault(bytes[at] as number, at === nameStart));
        nameEnd = at;
        at++;
        phase = 'blank';
      }
      if (phase === 'blank') {
        while (at < stop && inBlank[bytes[at] as number] !== 0) at++;
        if (at === stop) break;
        valueStart = at;
        phase = 'value';
      }
      while (at < stop && inValue[bytes[at] as number] !== 0) at++;
      // The CR is looked at together with the LF.
      if (at >= stop - 1 && (at === stop || bytes[at] === cr)) break;
      if (bytes[at] !== cr || bytes[at + 1] !== lf) return this.#refuse(valueFault(bytes[at] as number));
      let valueEnd = at;
      while (valueEnd > valueStart && inBlank[bytes[valueEnd - 1] as number] !== 0) valueEnd--;
      const index = this.count;
      if (index === linesMax) {
        this.hasTooMany = true;
        return this.#refuse(`more than ${linesMax} header lines came`);
      }
      if (index === this.#ids.length) this.#grow();
      const places = this.#places;
      const place = index << 2;
      places[place] = nameStart;
      places[place + 1] = nameEnd;
      places[place + 2] = valueStart;
      places[place + 3] = valueEnd;
      const id = (nameBits & underscoreBit) !== 0 ? idOfUnderscored(bytes, nameStart, nameEnd) : idOf(bytes, nameStart, nameEnd);
      const bit = 1 << id;
      this.#repeated |= this.#seen & bit;
      this.#seen |= bit;
      this.#ids[index] = id;
      this.#lastOf[id] = index;
      this.count = index + 1;
      at += 2;
      phase = 'line';
    }
    this.at = at;
    this.#phase = phase;
    this.#nameStart = nameStart;
    this.#nameEnd = nameEnd;
    this.#nameBits = nameBits;
    this.#valueStart = valueStart;
    return fieldsOpen;
  }

  id(index: number): number {
    return this.#ids[index] as number;
  }

  nameStart(index: number): number {
    return this.#places[index << 2] as number;
  }

  nameEnd(index: number): number {
    return this.#places[(index << 2) + 1] as number;
  }

  valueStart(index: number): number {
    return this.#places[(index << 2) + 2] as number;
  }

  valueEnd(index: number): number {
    return this.#places[(index << 2) + 3] as number;
  }

  /** The name of a line as it came. Makes a string. */
  nameAt(index: number): string {
    return this.bytes.toString('latin1', this.nameStart(index), this.nameEnd(index));
  }

  /** The value of a line, bytes beyond ASCII as Latin-1 characters. Makes a string. */
  valueAt(index: number): string {
    return this.bytes.toString('latin1', this.valueStart(index), this.valueEnd(index));
  }

  /** True where a line has that name. */
  has(id: FieldId): boolean {
    return (this.#seen & (1 << id)) !== 0;
  }

  /** True where more than one has. */
  repeats(id: FieldId): boolean {
    return (this.#repeated & (1 << id)) !== 0;
  }

  /** The last line that has it, where one has. */
  last(id: FieldId): number {
    return this.#lastOf[id] as number;
  }

  /** The value of the last line with that name. Makes a string. */
  value(id: FieldId): string | undefined {
    return this.has(id) ? this.valueAt(this.last(id)) : undefined;
  }

  /** The same for a name that is given in lower case, whether it has an id or not. */
  named(lowerName: string): string | undefined {
    const id = idsByName.get(lowerName);
    if (id !== undefined) return this.value(id);
    for (let i = this.count - 1; i >= 0; i--) if (isWord(this.bytes, this.nameStart(i), this.nameEnd(i), lowerName)) return this.valueAt(i);
    return undefined;
  }

  /** The values of all lines with that name, as one list (RFC 9110 section 5.3). Makes strings. */
  list(id: FieldId): string {
    const values: string[] = [];
    for (let i = 0; i < this.count; i++) if (this.#ids[i] === id) values.push(this.valueAt(i));
    return values.join(',');
  }

  /** Names and values in turn, as node:http has them: for what is not on the hot path. */
  rawHeaders(): string[] {
    const raw: string[] = [];
    for (let i = 0; i < this.count; i++) raw.push(this.nameAt(i), this.valueAt(i));
    return raw;
  }

  #refuse(fault: string): number {
    this.fault = fault;
    return fieldsRefused;
  }

  #grow(): void {
    const places = new Int32Array(this.#places.length * 2);
    places.set(this.#places);
    this.#places = places;
    const ids = new Uint8Array(this.#ids.length * 2);
    ids.set(this.#ids);
    this.#ids = ids;
  }
}

/** Factors under which no two of the exact names meet. */
function slotOf(length: number, first: number, last: number): number {
  return (length * 3 + first * 4 + last * 6) & 63;
}

/** Hot path. The id of a name without underscores. */
function idOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const first = (bytes[start] as number) | 0x20;
  const id = idBySlot[slotOf(length, first, (bytes[end - 1] as number) | 0x20)] as number;
  if (id !== 0 && isName(bytes, start, length, id)) return id;
  if (first === 0x78 && beginsWith(bytes, start, length, xForwardedPrefix)) return fieldIds.xForwardedAny;
  if (first === 0x62 && beginsWith(bytes, start, length, burgagePrefix)) return fieldIds.burgageAny;
  return fieldIds.other;
}

/** What begins as ours is ours, whatever follows. */
function idOfUnderscored(bytes: Uint8Array, start: number, end: number): number {
  const isOurs = ((bytes[start] as number) | 0x20) === 0x62 && beginsWith(bytes, start, end - start, burgagePrefix);
  return isOurs ? fieldIds.burgageAny : fieldIds.underscored;
}

/**
 * True where one of the four bytes of a word is a control character, among them the tab. The high bit of a byte is set by
 * taking away from it what is more than it, unless it was set before; the same with DEL turned into 0.
 */
function hasControl(word: number): boolean {
  const turned = word ^ 0x7f7f7f7f;
  return ((((word - 0x20202020) & ~word) | ((turned - 0x01010101) & ~turned)) & 0x80808080) !== 0;
}

/** The names are of letters and hyphens: of a token's bytes only their two cases become them by setting that bit. */
function isName(bytes: Uint8Array, start: number, length: number, id: number): boolean {
  const name = nameBytesAt[id] as number;
  if (name + length !== nameBytesAt[id + 1]) return false;
  for (let i = 0; i < length; i++) if (((bytes[start + i] as number) | 0x20) !== nameBytes[name + i]) return false;
  return true;
}

function beginsWith(bytes: Uint8Array, start: number, length: number, prefix: string): boolean {
  if (length < prefix.length) return false;
  for (let i = 1; i < prefix.length; i++) if (((bytes[start + i] as number) | 0x20) !== prefix.charCodeAt(i)) return false;
  return true;
}

function nameFault(byte: number, isFirst: boolean): string {
  if (byte === lf) return 'a line ends with LF without CR';
  if (byte === space || byte === tab) return isFirst ? 'a folded header line came' : 'a blank came within a header name or behind it';
  if (byte === cr) return 'a header line has no colon';
  return isFirst && byte === colon ? 'a header line has no name' : 'a header name is not a token';
}

function valueFault(byte: number): string {
  if (byte === lf) return 'a line ends with LF without CR';
  if (byte === cr) return 'a CR came without LF';
  return byte === 0 ? 'a NUL came in a header' : 'a control character came in a header';
}
