// What each byte may be within a message, as tables for the readers of heads and chunks (RFC 9110 section 5.6, RFC 9112).

export const tab = 0x09;
export const lf = 0x0a;
export const cr = 0x0d;
export const space = 0x20;
export const hyphen = 0x2d;
export const quote = 0x22;
export const comma = 0x2c;
export const slash = 0x2f;
export const zero = 0x30;
export const colon = 0x3a;
export const semicolon = 0x3b;
export const equals = 0x3d;
export const backslash = 0x5c;
export const underscore = 0x5f;

/** Not 0 for the characters of a token: of methods, names of fields and of chunk extensions. */
export const tokenBytes: Uint8Array = tableOf((character) => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character));
/** Not 0 for what a value is made of: visible characters, blanks, and bytes beyond ASCII. */
export const valueBytes: Uint8Array = tableOf((character) => /[\t\x20-\x7e\x80-\xff]/.test(character));
/** Not 0 for what a request target is made of: visible ASCII without the number sign, for a fragment never leaves a client. */
export const targetBytes: Uint8Array = tableOf((character) => /[!"$-~]/.test(character));
export const blankBytes: Uint8Array = tableOf((character) => character === ' ' || character === '\t');
/** The value of each hexadecimal digit; 255 for all else. */
export const hexValues: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return /[0-9A-Fa-f]/.test(character) ? Number.parseInt(character, 16) : 255;
});

function tableOf(isOf: (character: string) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (isOf(String.fromCharCode(byte)) ? 1 : 0));
}

/** True where the bytes, of a name or value, are the word, whatever their case; the word is of lower-case letters, digits and hyphens. */
export function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (((bytes[start + i] as number) | 0x20) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** True where the bytes are the characters of the text. */
export function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
