// Stores passwords so that a stolen database does not give them away.
import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import type { Sources } from './sources.ts';

/** One of the settings that OWASP's password storage guide lists as equal: 32 MiB, three passes. */
const cost = { log2N: 15, r: 8, p: 3 } as const;
const saltBytes = 16;
const hashBytes = 32;

export const passwordCharactersMin = 10;
export const passwordCharactersMax = 128;

/** Both take a good part of a second and 32 MiB: callers wait for their turn; see turns.ts. */
export interface Passwords {
  /** `scrypt$log2N$r$p$salt$hash`. */
  hash(password: string): Promise<string>;
  /** False also when there is no `stored` hash, after the same time. */
  matches(password: string, stored: string | null | undefined): Promise<boolean>;
}

export function createPasswords({ random }: Pick<Sources, 'random'>): Passwords {
  const derive = (password: string, salt: Uint8Array, length: number, options: ScryptOptions): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      scrypt(password.normalize('NFKC'), salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
    });
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
