// Why the engine and its peers differ: every difference is one of these, and each of these is seen.
import type { Difference } from './comparison.ts';

export type PeerName = 'oracle' | 'nginx' | 'haproxy';

/** Something of a case that we pass on and a peer does not, or not in the same way. */
export interface Explanation {
  readonly peers: readonly PeerName[];
  readonly difference: Extract<Difference, 'ours alone' | 'otherwise'>;
  /** Of the text of a case, and for answers of the request that they are for. */
  readonly when: (text: string, request?: string) => boolean;
  /** One sentence for the page. */
  readonly why: string;
}

const matches =
  (pattern: RegExp) =>
  (text: string): boolean =>
    pattern.test(text);
const hasLongLine = (bytesMax: number) => (text: string) => text.split('\r\n').some((line) => line.length > bytesMax);

export const requestExplanations: readonly Explanation[] = [
  {
    peers: ['nginx'],
    difference: 'ours alone',
    when: matches(/^(?:host|content-length|transfer-encoding):[^\r\n]*\t/im),
    why: 'A tab around a value is a blank as a space is (RFC 9110 section 5.6.3). nginx takes it for a part of the value.',
  },
  {
    peers: ['nginx'],
    difference: 'ours alone',
    when: matches(/^\S+ [^ ?]*%(?:00|(?![0-9a-f]{2}))/i),
    why: 'Nothing in a path is decoded here: what `%00` or a percent sign alone mean is for the app, and browsers send them. nginx decodes paths.',
  },
  {
    peers: ['nginx'],
    difference: 'ours alone',
    when: hasLongLine(8_180),
    why: "A line may be as long as the head, 16 KiB, and a target 8 KiB. nginx's buffers hold lines of 8 KiB.",
  },
  {
    peers: ['haproxy'],
    difference: 'ours alone',
    when: matches(/^\S+ https?:\/\/[^/?# ]+\?/i),
    why: 'The path of an address may be empty before its query (RFC 3986 section 3.3): it is forwarded as `/?…`. HAProxy refuses it.',
  },
  {
    peers: ['haproxy'],
    difference: 'ours alone',
    when: matches(/ HTTP\/1\.0\r\n[\s\S]*^upgrade:/im),
    why: 'An Upgrade with HTTP/1.0 is to be ignored (RFC 9110 section 7.8): the request is forwarded without it. HAProxy refuses it.',
  },
  {
    peers: ['haproxy'],
    difference: 'ours alone',
    when: matches(/^(?!GET)[\s\S]*^upgrade: websocket/im),
    why: 'A WebSocket begins with GET (RFC 6455 section 4.1): any other request is forwarded without its Upgrade. HAProxy refuses it.',
  },
  {
    peers: ['haproxy'],
    difference: 'otherwise',
    when: matches(/^\S+ https?:\/\//i),
    why: 'An address that agrees with Host is forwarded as its path (RFC 9112 section 3.2.1 has servers see that form). HAProxy forwards the address.',
  },
  {
    peers: ['oracle'],
    difference: 'ours alone',
    when: matches(/^VERSION-CONTROL /),
    why: 'The method is registered; the parser of node:http does not know it.',
  },
  {
    peers: ['oracle'],
    difference: 'ours alone',
    when: matches(/^transfer-encoding:[^\r\n]*\t/im),
    why: 'A tab around chunked is a blank; the parser of node:http takes it for a part of the value.',
  },
  {
    peers: ['oracle'],
    difference: 'ours alone',
    when: matches(/\r\n[0-9a-f]+[ \t]*;[^\r\n]*[ \t]/i),
    why: 'Blanks may stand in chunk extensions (RFC 9112 section 7.1.1); the parser of node:http refuses them.',
  },
];

export const answerExplanations: readonly Explanation[] = [
  {
    peers: ['nginx'],
    difference: 'ours alone',
    when: hasLongLine(4_096),
    why: "The head of an answer may be 16 KiB, as that of a request. nginx's buffer for it holds 4 KiB.",
  },
  {
    peers: ['nginx'],
    difference: 'ours alone',
    when: matches(/^HTTP\/1\.1 10[23]/),
    why: 'Answers below 200 that come before the answer go on to the client (RFC 9110 section 15.2). nginx takes the first of them for the answer.',
  },
  {
    peers: ['nginx'],
    difference: 'otherwise',
    when: matches(/^HTTP\/1\.1 10[23][\s\S]*\r\n\r\nHTTP\/1\.1 200/),
    why: 'nginx takes what follows the first answer below 200 for its body, or for nothing, and the answer is lost.',
  },
  {
    peers: ['haproxy'],
    difference: 'ours alone',
    when: matches(/^HTTP\/1\.1 10[23]/),
    why: 'An answer below 200 goes on at once, whatever comes behind it. HAProxy drops it where what came with it is no answer.',
  },
  {
    peers: ['nginx', 'haproxy'],
    difference: 'otherwise',
    when: (text, request) => /^HTTP\/1\.1 100/.test(text) || (/^HTTP\/1\.1 10[23]/.test(text) && / HTTP\/1\.0/.test(request ?? '')),
    why: 'A 100 is said by the gateway itself, where the client waits for one, and none below 200 goes to HTTP/1.0 (RFC 9110 section 15.2): the answer goes on without it. HAProxy passes it on, nginx takes it for the answer.',
  },
  {
    peers: ['oracle'],
    difference: 'ours alone',
    when: matches(/^HTTP\/1\.1 100/),
    why: 'A 100 that nobody asked for is dropped; undici refuses the answer.',
  },
];

/** A reason why a request is refused here though a peer forwards it, as the refusal tells it. */
export interface Reason {
  readonly says: RegExp;
  readonly section: string;
  readonly why: string;
}

export const reasons: readonly Reason[] = [
  {
    says: /^the method is not one that is known$/,
    section: 'RFC 9112 3.1',
    why: 'Methods are those that are registered, in capitals: any other token is no request that an app waits for, but often the rest of a body that somebody wants to be taken for one. Two empty lines, or anything else but one CRLF before the request line, begin no method either.',
  },
  {
    says: /^(?:TRACE|CONNECT) is not served$/,
    section: 'RFC 9110 9.3.6, 9.3.8',
    why: 'TRACE shows fields to scripts that they may not read; CONNECT asks for a tunnel to anywhere.',
  },
  {
    says: /^a (?:CR came without LF|line ends with LF without CR)$/,
    section: 'RFC 9112 2.2',
    why: 'Lines end with CRLF. Who forgives a bare LF or CR sees other lines than who does not.',
  },
  {
    says: /^(?:the version is not HTTP\/1\.1 or HTTP\/1\.0|the request line has no version)$/,
    section: 'RFC 9112 2.3',
    why: 'HTTP/1.1 and HTTP/1.0 are what is spoken here; nobody sends any other version on purpose.',
  },
  {
    says: /^(?:a request line has not one space between its parts|a blank came behind the version)$/,
    section: 'RFC 9112 3',
    why: 'One space stands between the parts of a request line: with more or others it can be taken apart in two ways.',
  },
  {
    says: /^the target has a character that an address never has$/,
    section: 'RFC 3986 2',
    why: 'Addresses are of visible ASCII, and a fragment never leaves a client.',
  },
  {
    says: /^the target is neither a path nor an address$/,
    section: 'RFC 9112 3.2',
    why: 'A path or an address of http is what a tenant has; the asterisk asks for the server, which is not theirs.',
  },
  {
    says: /^the target names another host than the Host field$/,
    section: 'RFC 9112 3.2.2',
    why: 'Of two hosts, whoever is behind may take the other one: another tenant.',
  },
  {
    says: /^(?:no Host came|more than one Host came|the Host has bytes beyond ASCII|host: .*)$/,
    section: 'RFC 9112 3.2',
    why: 'The one Host is a name or an address with a port at most: it says whose the request is.',
  },
  {
    says: /^no tenant$/,
    section: 'RFC 9110 7.4',
    why: 'Nobody has that host here; the peers serve any.',
  },
  {
    says: /^(?:a header line has no colon|a header line has no name|a header name is not a token|a blank came within a header name or behind it)$/,
    section: 'RFC 9112 5.1',
    why: 'A name is a token with its colon at once. What one forgives, another takes for another name.',
  },
  {
    says: /^a folded header line came$/,
    section: 'RFC 9112 5.2',
    why: 'Folded lines are gone from HTTP; who still joins them sees other fields than who does not.',
  },
  {
    says: /^a (?:NUL|control character) came in a header$/,
    section: 'RFC 9110 5.5',
    why: 'Control characters in values end strings, lines and terminals of those behind.',
  },
  {
    says: /^(?:more than \d+ header lines came|a (?:head|target) of more than \d+ bytes came|more than \d+ bytes of trailers came|a chunk has more than \d+ bytes of extensions|a chunk size has more than \d+ digits)$/,
    section: 'RFC 9110 4.1, 5.4, RFC 9112 7.1.1',
    why: 'Bounds, for memory and time: 16 KiB and 100 lines of head, 8 KiB of target, 4 KiB and 32 lines of trailers, 256 bytes of chunk extensions, 12 digits of a chunk size.',
  },
  {
    says: /^(?:the Content-Length is not a number|more than one Content-Length came)$/,
    section: 'RFC 9110 8.6',
    why: 'One length of digits alone: a list of lengths may be joined only if all are the same, and nobody sends one.',
  },
  {
    says: /^(?:chunked is not the last transfer coding, or came twice|a transfer coding other than chunked came|Transfer-Encoding came with HTTP\/1\.0|Content-Length and Transfer-Encoding came together|more than one Transfer-Encoding came)$/,
    section: 'RFC 9112 6.1',
    why: 'A body ends by a length or by chunks, never by both and by nothing else: everything between is how requests are smuggled.',
  },
  {
    says: /^(?:a chunk extension is malformed|a chunk size is not of hexadecimal digits alone|a chunk has no size in hexadecimal digits|the data of a chunk are longer than its size)$/,
    section: 'RFC 9112 7.1',
    why: 'Chunks are read to the letter: a blank behind a size, an LF in place of CRLF or an extension that is none move the end of the body for somebody.',
  },
  {
    says: /^a trailer would frame the message$/,
    section: 'RFC 9110 6.5.1',
    why: 'A length, a coding or a Host behind the body is meant for somebody who takes trailers for fields.',
  },
  {
    says: /^the Upgrade field is not a list of protocols$/,
    section: 'RFC 9110 7.8',
    why: 'What an app would change to has to be said.',
  },
  {
    says: /^an expectation other than 100-continue came$/,
    section: 'RFC 9110 10.1.1',
    why: 'What is expected and cannot be given is refused; the status for it is 417, and 400 here as for all that is malformed.',
  },
];

/** The reason that our refusal gives, from what the client received; undefined where it gives none. */
export function reasonTold(received: string): string | undefined {
  const body = /^\{"type":"urn:burgage:error:.*\}$/m.exec(received)?.[0];
  // To HEAD there is none.
  if (body === undefined) return /^HTTP\/1\.1 404 /m.test(received) ? 'no tenant' : undefined;
  const { code, detail }: { code: string; detail: string } = JSON.parse(body);
  if (code === 'host_unknown') return 'no tenant';
  return /\((.*)\)$/s.exec(detail)?.[1];
}
