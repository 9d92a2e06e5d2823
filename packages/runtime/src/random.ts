// Randomness as a parameter: the machine's own, and a sequence that a seed repeats.
import { randomBytes } from 'node:crypto';

export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
  /** A number from 0 up to, but not including, 1. */
  float(): number;
}

/** Randomness that nobody can foretell. */
export const systemRandom: Random = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
  float: () => randomBytes(4).readUInt32BE() / 2 ** 32,
};

/** The same sequence for the same `seed` (SplitMix, Steele, Lea and Flood 2014, on 32 bits): for tests and simulation, never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return {
    bytes: (count) => Uint8Array.from({ length: count }, () => next() & 0xff),
    float: () => next() / 2 ** 32,
  };
}
