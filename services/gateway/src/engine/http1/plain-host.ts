// Host fields that need no second look, told by their bytes.

const aByte = 0x61;
const zByte = 0x7a;
const zeroByte = 0x30;
const nineByte = 0x39;
const hyphenByte = 0x2d;
const dotByte = 0x2e;

/** No label of such a field is too long either. */
const bytesMax = 63;

/**
 * Hot path. True for some of the names that `normalizeHost` leaves as they are, which are nearly all that come: at most 63
 * lower-case letters, digits, and single hyphens and dots between them, the last label beginning with a letter.
 */
export function isPlainHost(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > bytesMax) return false;
  let before = dotByte;
  let labelStart = start;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === dotByte || byte === hyphenByte) {
      if (before === dotByte || before === hyphenByte) return false;
      if (byte === dotByte) labelStart = i + 1;
    } else if ((byte < aByte || byte > zByte) && (byte < zeroByte || byte > nineByte)) {
      return false;
    }
    before = byte;
  }
  return before !== dotByte && before !== hyphenByte && (bytes[labelStart] as number) > nineByte;
}
