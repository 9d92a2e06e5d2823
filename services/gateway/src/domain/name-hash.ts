// The hash of a name under a secret key, so that nobody can choose names that meet: HalfSipHash-1-3 (Aumasson and Bernstein 2012).
import type { Random } from '@burgage/runtime';

/** Two random numbers of 32 bits. */
export interface HashKey {
  readonly low: number;
  readonly high: number;
}

export function drawHashKey(random: Random): HashKey {
  const bytes = random.bytes(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { low: view.getInt32(0), high: view.getInt32(4) };
}

/** Hot path. 32 bits, signed. Four characters are one word, one round is made for each word, and three at the end. */
export function hashName(name: string, { low, high }: HashKey): number {
  const { length } = name;
  const words = length >> 2;
  const rounds = words + 4;
  let v0 = low;
  let v1 = high;
  let v2 = low ^ 0x6c796765;
  let v3 = high ^ 0x74656462;
  for (let round = 0; round < rounds; round++) {
    let word = 0;
    if (round < words) {
      const at = round << 2;
      word = name.charCodeAt(at) | (name.charCodeAt(at + 1) << 8) | (name.charCodeAt(at + 2) << 16) | (name.charCodeAt(at + 3) << 24);
    } else if (round === words) {
      word = length << 24;
      for (let at = words << 2; at < length; at++) word |= name.charCodeAt(at) << ((at & 3) << 3);
    } else if (round === words + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
