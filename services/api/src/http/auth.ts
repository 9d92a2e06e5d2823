// Lets a request in that carries the admin token.
import { createHash, timingSafeEqual } from 'node:crypto';
import { BurgageError } from '@burgage/contracts';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from './env.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Answers `unauthenticated` unless the request carries `Authorization: Bearer` with the admin token. The tokens'
 * digests are compared, in constant time, so that neither length nor content can be found by timing.
 */
export function authenticate(adminToken: string): MiddlewareHandler<ApiEnv> {
  const wanted = digest(adminToken);
  return async (c, next) => {
    const [scheme, token, ...rest] = (c.req.header('authorization') ?? '').split(' ').filter(Boolean);
    if (scheme === undefined) throw new BurgageError('unauthenticated', { message: 'The request carries no token.' });
    if (scheme.toLowerCase() !== 'bearer' || token === undefined || rest.length > 0) {
      throw new BurgageError('unauthenticated', { message: 'The Authorization header is not of the form: Bearer TOKEN.' });
    }
    if (!timingSafeEqual(digest(token), wanted)) throw new BurgageError('unauthenticated', { message: 'The token is not valid.' });
    c.set('actor', 'admin');
    await next();
  };
}
