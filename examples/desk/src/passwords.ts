// Stores passwords so that a stolen database does not give them away, and bounds what checking them costs.
import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { ProblemError } from '@burgage/app-kit';
import type { Sources } from './sources.ts';

/** One of the settings that OWASP's password storage guide lists as equal: 32 MiB, three passes. */
const cost = { log2N: 15, r: 8, p: 3 } as const;
const saltBytes = 16;
const hashBytes = 32;
/** Each check holds 32 MiB and a thread of libuv's four; the file system and DNS need the others. */
const atOnceMax = 2;
const waitingMax = 32;

export const passwordCharactersMin = 10;
export const passwordCharactersMax = 128;

export interface Passwords {
  /** `scrypt$log2N$r$p$salt$hash`. */
  hash(password: string): Promise<string>;
  /** False also when there is no `stored` hash, after the same time. */
  matches(password: string, stored: string | null | undefined): Promise<boolean>;
}

/** Throws `unavailable` when more than 32 checks wait already. */
export function createPasswords({ random }: Pick<Sources, 'random'>): Passwords {
  const gate = createGate(atOnceMax, waitingMax);
  const derive = (password: string, salt: Uint8Array, length: number, options: ScryptOptions): Promise<Buffer> =>
    gate(
      () =>
        new Promise((resolve, reject) => {
          scrypt(password.normalize('NFKC'), salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
        }),
    );
  const optionsOf = (log2N: number, r: number, p: number): ScryptOptions => ({ N: 2 ** log2N, r, p, maxmem: 256 * 2 ** log2N * r });

  return {
    async hash(password) {
      const salt = random(saltBytes);
      const hash = await derive(password, salt, hashBytes, optionsOf(cost.log2N, cost.r, cost.p));
      return ['scrypt', cost.log2N, cost.r, cost.p, Buffer.from(salt).toString('base64url'), hash.toString('base64url')].join('$');
    },
    async matches(password, stored) {
      const [, log2N = cost.log2N, r = cost.r, p = cost.p, salt = '', hash = ''] = stored?.split('$') ?? [];
      const expected = Buffer.from(hash, 'base64url');
      const found = await derive(password, Buffer.from(salt, 'base64url'), hashBytes, optionsOf(Number(log2N), Number(r), Number(p)));
      return expected.length === found.length && timingSafeEqual(expected, found);
    },
  };
}

/** Lets `atOnce` run, makes `waiting` wait their turn and refuses the rest. */
function createGate(atOnce: number, waiting: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (work) => {
    if (running >= atOnce) {
      if (queue.length >= waiting) throw new ProblemError('unavailable', { message: 'Too many people sign in at this moment.' });
      // Whoever finishes hands its place on, so `running` stays as it is.
      await new Promise<void>((resolve) => queue.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
