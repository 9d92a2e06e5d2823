// Where desk takes time and randomness from, so that tests can give their own.
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Sources {
  readonly now: () => Date;
  readonly random: (bytes: number) => Uint8Array;
  readonly sleep: (ms: number) => Promise<void>;
}

export const systemSources: Sources = { now: () => new Date(), random: (bytes) => randomBytes(bytes), sleep };

/** 256 random bits as a base64url text of 43 characters. */
export function newSecret({ random }: Pick<Sources, 'random'>): string {
  return Buffer.from(random(32)).toString('base64url');
}

/** An id for a new row: 128 random bits as hexadecimal. */
export function newId({ random }: Pick<Sources, 'random'>): string {
  return Buffer.from(random(16)).toString('hex');
}

/** How secrets are stored: they have 256 bits, so a plain hash cannot be turned back. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
