// What each byte may be within a message, as tables for the readers of heads and chunks (RFC 9110 section 5.6, RFC 9112).

export const tab = 0x09;
export const lf = 0x0a;
export const cr = 0x0d;
export const space = 0x20;
export const quote = 0x22;
export const comma = 0x2c;
export const slash = 0x2f;
export const zero = 0x30;
export const colon = 0x3a;
export const semicolon = 0x3b;
export const equals = 0x3d;
export const backslash = 0x5c;
export const underscore = 0x5f;
const del = 0x7f;

/** A character of a token: of methods, names of fields and chunk extensions. */
export const tokenBit = 1;
/** The one character of tokens that some servers take for another. */
export const underscoreBit = 2;
/** A character of a field's value: visible, a blank, or beyond ASCII. */
export const valueBit = 4;
/** A character of a request target: visible ASCII without the number sign, for a fragment never leaves a client. */
export const targetBit = 8;
export const blankBit = 16;

/** The bits of each byte. */
export const byteBits: Uint8Array = new Uint8Array(256);
/** The value of each hexadecimal digit; 255 for all else. */
export const hexValue: Uint8Array = new Uint8Array(256).fill(255);

for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  let bits = 0;
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) bits |= tokenBit;
  if (byte === underscore) bits |= underscoreBit;
  if (byte === tab || (byte >= space && byte !== del)) bits |= valueBit;
  if (byte > space && byte < del && character !== '#') bits |= targetBit;
  if (byte === tab || byte === space) bits |= blankBit;
  byteBits[byte] = bits;
  if (/[0-9A-Fa-f]/.test(character)) hexValue[byte] = Number.parseInt(character, 16);
}

/** True where the bytes, of a name or value, are the word, whatever their case; the word is of lower-case letters, digits and hyphens. */
export function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (((bytes[start + i] ?? 0) | 0x20) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** True where the bytes are the characters of the text. */
export function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
