// The session's token on its way: in a cookie for people, in an Authorization header for programs.
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { type Session, sessionLifetimeMs } from './accounts.ts';
import type { DeskContext } from './env.ts';
import { publicOrigin } from './origin.ts';

/** Over https the `__Host-` prefix: a neighbour on the same base domain can then neither set nor shadow it (RFC 6265bis, 4.1.3.2). */
function cookieOf(c: DeskContext): { name: string; secure: boolean } {
  const { secure } = publicOrigin(c.req.raw.headers);
  return { name: secure ? '__Host-desk_session' : 'desk_session', secure };
}

export function sessionTokenOf(c: DeskContext): string | undefined {
  const bearer = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(c.req.header('authorization') ?? '')?.[1];
  return bearer ?? getCookie(c, cookieOf(c).name);
}

export function setSessionCookie(c: DeskContext, { token }: Session): void {
  const { name, secure } = cookieOf(c);
  setCookie(c, name, token, { path: '/', httpOnly: true, sameSite: 'Lax', secure, maxAge: sessionLifetimeMs / 1_000 });
}

export function clearSessionCookie(c: DeskContext): void {
  const { name, secure } = cookieOf(c);
  deleteCookie(c, name, { path: '/', secure });
}
