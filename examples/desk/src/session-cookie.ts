// The secrets that a browser keeps in cookies, of its session and of the device; programs send the session's in an Authorization header.
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { type Session, sessionLifetimeMs, type Visitor } from './accounts.ts';
import { clientOf } from './client.ts';
import { deviceLifetimeMs } from './devices.ts';
import type { DeskContext } from './env.ts';
import { publicOrigin } from './origin.ts';

/** Over https the `__Host-` prefix: a neighbour on the same base domain can then neither set nor shadow it (RFC 6265bis, 4.1.3.2). */
function cookieOf(c: DeskContext, kind: 'session' | 'device'): { name: string; secure: boolean } {
  const { secure } = publicOrigin(c.req.raw.headers);
  return { name: `${secure ? '__Host-' : ''}desk_${kind}`, secure };
}

export function visitorOf(c: DeskContext): Visitor {
  return { client: clientOf(c.req.raw.headers), deviceToken: getCookie(c, cookieOf(c, 'device').name) };
}

export function sessionTokenOf(c: DeskContext): string | undefined {
  const bearer = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(c.req.header('authorization') ?? '')?.[1];
  return bearer ?? getCookie(c, cookieOf(c, 'session').name);
}

export function setSessionCookie(c: DeskContext, { token }: Session): void {
  const { name, secure } = cookieOf(c, 'session');
  setCookie(c, name, token, { path: '/', httpOnly: true, sameSite: 'Lax', secure, maxAge: sessionLifetimeMs / 1_000 });
}

export function setDeviceCookie(c: DeskContext, token: string): void {
  const { name, secure } = cookieOf(c, 'device');
  setCookie(c, name, token, { path: '/', httpOnly: true, sameSite: 'Strict', secure, maxAge: deviceLifetimeMs / 1_000 });
}

export function clearSessionCookie(c: DeskContext): void {
  const { name, secure } = cookieOf(c, 'session');
  deleteCookie(c, name, { path: '/', secure });
}
