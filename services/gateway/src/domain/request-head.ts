// The request head: what an edge must be sure of before it forwards anything (RFC 9110, RFC 9112, and what field.md collected).
import { err, normalizeHost, ok, type Result } from '@burgage/tenancy';
import { type Refusal, refuse } from './refusal.ts';

/** A request head as an engine has it: bytes above 127 as Latin-1 characters. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: '1.0' | '1.1';
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/** What is asked of a head beyond what was read of it. */
export interface Head {
  readonly method: string;
  readonly httpVersion: RequestHead['httpVersion'];
  /** The value of the last field of that name, which is given in lower case. */
  field(lowerName: string): string | undefined;
}

export interface HeadLimits {
  readonly headerLinesMax: number;
  readonly targetBytesMax: number;
}

/** What the head says, once it is believed. */
export interface ReadHead {
  /** The Host field as it came. */
  readonly authority: string;
  /** The same, normalised. */
  readonly host: string;
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly body: { readonly kind: 'none' } | { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' };
  /** The protocol that the client wants to change to. */
  readonly upgrade?: string | undefined;
  readonly expectsContinue: boolean;
}

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Visible ASCII without what no target has. A fragment never leaves a client. */
const targetPattern = /^[!"$-~]*$/;
const lengthPattern = /^\d{1,15}$/;
const absolutePattern = /^(https?):\/\/([^/?#]*)([/?].*)?$/i;
const protocolPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?$/;

/**
 * Reads a head, or says why it is not forwarded. Everything doubtful closes the connection: a sender that is wrong about
 * one request may be wrong about where the next begins.
 */
export function readHead(head: RequestHead, limits: HeadLimits): Result<ReadHead, Refusal> {
  const { method, target, httpVersion, rawHeaders } = head;
  if (rawHeaders.length / 2 > limits.headerLinesMax) {
    return closing('head_too_large', `${rawHeaders.length / 2} header lines came, at most ${limits.headerLinesMax} are read`);
  }
  if (target.length > limits.targetBytesMax) {
    return closing('target_too_long', `a target of ${target.length} bytes came, at most ${limits.targetBytesMax} are read`);
  }
  if (!tokenPattern.test(method)) return bad('the method is not a token');
  if (method === 'TRACE' || method === 'CONNECT') return bad(`${method} is not served`);

  let authority: string | undefined;
  let length: string | undefined;
  let coding: string | undefined;
  let upgrade: string | undefined;
  let expect: string | undefined;
  let connection = '';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    if (!tokenPattern.test(name)) return bad('a header name is not a token');
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break;
        if (authority !== undefined) return bad('more than one Host came');
        authority = value;
        break;
      case 6:
        if (name.toLowerCase() === 'expect') expect = expect === undefined ? value : `${expect},${value}`;
        break;
      case 7:
        if (name.toLowerCase() === 'upgrade') upgrade = upgrade === undefined ? value : `${upgrade},${value}`;
        break;
      case 10:
        if (name.toLowerCase() === 'connection') connection += `,${value.toLowerCase()}`;
        break;
      case 14:
        if (name.toLowerCase() !== 'content-length') break;
        if (length !== undefined) return bad('more than one Content-Length came');
        length = value;
        break;
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break;
        if (coding !== undefined) return bad('more than one Transfer-Encoding came');
        coding = value;
        break;
    }
  }

  const body = bodyOf(length, coding, httpVersion);
  if (!body.ok) return body;
  if (expect !== undefined && expect.trim().toLowerCase() !== '100-continue') return bad('an expectation other than 100-continue came');
  const address = addressOf(target, authority);
  if (!address.ok) return address;
  const protocol = upgrade !== undefined && listed(connection, 'upgrade') ? upgrade.trim() : undefined;
  if (protocol !== undefined && !isUpgradeList(protocol)) return bad('the Upgrade field is not a list of protocols');
  return ok({
    ...address.value,
    body: body.value,
    ...(protocol !== undefined &&
      isTunnelProtocol(protocol) &&
      method === 'GET' &&
      body.value.kind === 'none' &&
      httpVersion === '1.1' && { upgrade: protocol }),
    expectsContinue: expect !== undefined && httpVersion === '1.1',
  });
}

function bodyOf(
  length: string | undefined,
  coding: string | undefined,
  httpVersion: RequestHead['httpVersion'],
): Result<ReadHead['body'], Refusal> {
  if (coding !== undefined) {
    if (httpVersion === '1.0') return bad('Transfer-Encoding came with HTTP/1.0');
    if (length !== undefined) return bad('Content-Length and Transfer-Encoding came together');
    if (coding.trim().toLowerCase() !== 'chunked') return closing('transfer_coding_unknown', 'a transfer coding other than chunked came');
    return ok({ kind: 'chunked' });
  }
  if (length === undefined) return ok({ kind: 'none' });
  if (!lengthPattern.test(length)) return bad('the Content-Length is not a number');
  return ok(Number(length) === 0 ? { kind: 'none' } : { kind: 'length', bytes: Number(length) });
}

/** Origin-form, or absolute-form that agrees with Host (RFC 9112 section 3.2). */
export function addressOf(target: string, authority: string | undefined): Result<Pick<ReadHead, 'authority' | 'host' | 'path'>, Refusal> {
  if (authority === undefined) return bad('no Host came');
  const host = hostOf(authority);
  if (!host.ok) return host;
  if (!targetPattern.test(target)) return bad('the target has a character that an address never has');
  if (target.startsWith('/')) return ok({ authority, host: host.value, path: target });
  const absolute = absolutePattern.exec(target);
  if (absolute === null) return bad('the target is neither a path nor an address');
  const [, , targetAuthority = '', rest = ''] = absolute;
  const targetHost = hostOf(targetAuthority);
  if (!targetHost.ok) return targetHost;
  if (targetHost.value !== host.value || portOf(targetAuthority) !== portOf(authority))
    return bad('the target names another host than the Host field');
  return ok({ authority, host: host.value, path: rest.startsWith('/') ? rest : `/${rest}` });
}

/** The host in an authority, normalised. */
export function hostOf(authority: string): Result<string, Refusal> {
  for (let i = 0; i < authority.length; i++) {
    if (authority.charCodeAt(i) > 0x7e) return bad('the Host has bytes beyond ASCII');
  }
  const host = normalizeHost(authority);
  return host.ok ? host : bad(host.error.message);
}

/** The port in an authority that has been found valid; the default of http where there is none. */
function portOf(authority: string): number {
  const port = /:(\d+)$/.exec(authority)?.[1];
  return port === undefined ? 80 : Number(port);
}

export function isUpgradeList(value: string): boolean {
  return value.split(',').every((protocol) => protocolPattern.test(protocol.trim()));
}

/** HTTP/2 in clear text would carry requests past every rule of this gateway, and TLS would hide them: both are ignored. */
export function isTunnelProtocol(value: string): boolean {
  return !value.split(',').some((protocol) => /^(?:h2c?|http|tls)(?:\/|$)/i.test(protocol.trim()));
}

/** True where a comma-separated list, lower case, has the member. */
export function listed(list: string, member: string): boolean {
  return list.split(',').some((item) => item.trim() === member);
}

function bad(detail: string): Result<never, Refusal> {
  return closing('bad_request', detail);
}

function closing(code: Refusal['code'], detail: string): Result<never, Refusal> {
  return err(refuse(code, { detail, close: true }));
}
