// Random heads for the property tests of the engine: whole, broken in one place, and in parts.
import fc from 'fast-check';

export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What a sender that is wrong, or means harm, puts where it does not belong. */
const harm = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '#',
  '"',
  '\x0b',
  '\x7f',
  '\x80',
  '\xa0',
  '\xff',
  'a',
  '0',
  '\r\n ',
  '\r\n\r\n',
  '_',
];

/** A place within something, from 0 to 1: each part as likely as any other. Of the doubles between them nearly all are next to 0. */
const anywhere = fc.noBias(fc.nat(9_999)).map((place) => place / 10_000);

/** The text with up to three places changed: something put in, taken out, or put in place of something. */
export function broken(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    place: anywhere,
    removed: fc.integer({ min: 0, max: 3 }),
    added: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom('', ...harm) },
      fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    ),
  });
  return fc.tuple(texts, fc.array(change, { maxLength: 3 })).map(([text, changes]) =>
    changes.reduce((changed, { place, removed, added }) => {
      const at = Math.floor(place * (changed.length + 1));
      return changed.slice(0, at) + added + changed.slice(at + removed);
    }, text),
  );
}

/** Where a text of that length is cut: everywhere, or at some places. */
export function cutsOf(length: number): fc.Arbitrary<number[]> {
  return fc.oneof(
    fc.constant(Array.from({ length }, (_, i) => i)),
    fc.array(fc.integer({ min: 0, max: length }), { maxLength: 5 }).map((cuts) => cuts.sort((one, other) => one - other)),
  );
}

/** The bytes at a place of a larger buffer, in which what stands before and behind them would end every head. */
export function placed(bytes: Buffer, at: number): { buffer: Buffer; start: number; end: number } {
  const around = latin1('\r\n\r\n0\r\n\r\n');
  const buffer = Buffer.concat([Buffer.alloc(at, around), bytes, around]);
  return { buffer, start: at, end: at + bytes.length };
}

/**
 * Gives a reader the first bytes up to each cut in turn, then all of them, each time in another buffer and at another
 * place, until it wants no more. Answers with what it said last.
 */
export function inParts<T extends string>(
  bytes: Buffer,
  cuts: readonly number[],
  read: (buffer: Buffer, start: number, end: number) => T,
): T | 'incomplete' {
  let said: T | 'incomplete' = 'incomplete';
  for (const [i, cut] of [...cuts, bytes.length].entries()) {
    const { buffer, start, end } = placed(bytes.subarray(0, cut), (i * 7) % 23);
    said = read(buffer, start, end);
    if (said !== 'incomplete') break;
  }
  return said;
}

const tokens = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/);
/** A value without blanks around it, bytes beyond ASCII and tabs within. */
export const values = fc.oneof(
  fc.constantFrom('', 'a', 'a b', 'a\tb', 'gr\xf6\xdfe', 'a, b', '"quoted; text"', 'text/html,*/*;q=0.8', '\x80\xff'),
  fc.stringMatching(/^[!-~]{1,20}$/),
);
const requestNames = [
  ...['Accept', 'Cookie', 'User-Agent', 'TE', 'Trailer', 'Keep-Alive', 'Proxy-Connection', 'Proxy-Authenticate', 'Proxy-Authorization'],
  ...['Forwarded', 'X-Forwarded-For', 'X-FORWARDED-', 'X-Forwarded', 'X-Forwarde', 'Burgage-Context', 'burgage-', 'burgage', 'Traceparent'],
  ...[
    'tracestate',
    'X-Request-Id',
    'X-Real-IP',
    'X-Client-IP',
    'True-Client-IP',
    'X-Original-URL',
    'X-Rewrite-URL',
    'Proxy',
    'Close',
    'Date',
  ],
  ...['X_Forwarded_For', 'Set-Cookie', 'Hos', 'Hosts', 'Connectio', 'secret', 'x-secret'],
];
const pair = (names: readonly string[], of: readonly string[]): fc.Arbitrary<[string, string]> =>
  fc.tuple(fc.constantFrom(...names), fc.constantFrom(...of));

/** Mostly what is right: a head with several lines is to be believed more often than not. */
const mostly = <T>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: wrong });
const lengthNames = ['Content-Length', 'content-length'];
const codingNames = ['Transfer-Encoding', 'TRANSFER-encoding'];
const framing = fc.oneof(
  mostly(
    pair(lengthNames, ['0', '5', '007', '123456789012345']),
    pair(lengthNames, ['1234567890123456', '+5', '5 5', '5,5', '', '0x5', '5\xa0']),
  ),
  mostly(pair(codingNames, ['chunked', 'Chunked']), pair(codingNames, ['gzip, chunked', 'chunked, chunked', 'gzip', '', 'chunked, gzip'])),
);
const connection = fc.oneof(
  pair(
    ['Connection', 'connection'],
    ['close', 'keep-alive', 'Upgrade', 'keep-alive, Upgrade', 'close, x-secret', 'secret,,', 'a b', '\xa0secret', ''],
  ),
  pair(
    ['Connection'],
    ['host, content-length, x-forwarded-for, burgage-context', 'X-Request-Id, tracestate, cookie', 'Keep-Alive , CLOSE'],
  ),
  mostly(pair(['Upgrade', 'upgrade'], ['websocket', 'h2c', 'a, b/1', 'TLS/1.0', 'WebSocket']), pair(['Upgrade'], ['a b', ''])),
);
const requestLines = fc.oneof(
  { weight: 20, arbitrary: fc.tuple(fc.oneof(tokens, fc.constantFrom(...requestNames)), values) },
  { weight: 2, arbitrary: framing },
  { weight: 5, arbitrary: connection },
  { weight: 1, arbitrary: mostly(pair(['Expect', 'expect'], ['100-continue', '100-Continue']), pair(['Expect'], ['a-miracle', ''])) },
);
const hosts = [
  'acme.test',
  'acme.test:80',
  'ACME.test.',
  'a-b.c1.test',
  'a--b.test',
  '10.0.0.1',
  '1.2',
  'x.1a',
  '[::1]:8080',
  'xn--gre-6ka8i.test',
];
const badHosts = ['', 'a b', 'a_b.test', 'acme.test:', '-a.test', 'a..b', 'gr\xf6\xdfe.test', 'me@acme.test', 'acme.test:99999', '1.2.3'];
const paths = ['/', '/a/b?c=d', '//x', '/%2e'];
const addresses = ['http://acme.test/x', 'http://acme.test?q', 'HTTP://ACME.test:80', 'https://acme.test/', 'http://other.test/'];

export interface WrittenRequest {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: '1.0' | '1.1';
  readonly rawHeaders: readonly string[];
}

/** A request whose every line is well formed; whether they go together is another matter. */
export const requests: fc.Arbitrary<WrittenRequest> = fc
  .record({
    method: mostly(fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'OPTIONS', 'PROPFIND'), fc.constantFrom('M-SEARCH', 'TRACE', 'CONNECT')),
    target: mostly(
      fc.constantFrom(...paths, ...paths, ...paths, ...addresses),
      fc.constantFrom('*', 'x', 'acme.test:80', 'ftp://acme.test/'),
    ),
    httpVersion: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    host: mostly(fc.constantFrom<string | undefined>(...hosts), fc.constantFrom(undefined, ...badHosts)),
    lines: fc.array(requestLines, { maxLength: 8 }),
    place: fc.nat(8),
  })
  .map(({ method, target, httpVersion, host, lines, place }) => ({
    method,
    target,
    httpVersion,
    rawHeaders: lines.toSpliced(place, 0, ...(host === undefined ? [] : [['Host', host] as [string, string]])).flat(),
  }));

const blanks = fc.constantFrom(['', ''], [' ', ''], [' ', ' '], ['\t', ''], ['\t', '\t '], ['  ', '']);

/** The lines as senders write them: blanks around the values are theirs. */
export function linesOf(rawHeaders: readonly string[]): fc.Arbitrary<string> {
  return fc
    .array(fc.oneof({ weight: 3, arbitrary: fc.constant([' ', '']) }, blanks), {
      minLength: rawHeaders.length / 2,
      maxLength: rawHeaders.length / 2,
    })
    .map((around) => around.map(([before, behind], i) => `${rawHeaders[i * 2]}:${before}${rawHeaders[i * 2 + 1]}${behind}\r\n`).join(''));
}

/** A request and its head as bytes, in Latin-1. */
export const requestTexts: fc.Arbitrary<{ request: WrittenRequest; text: string }> = requests.chain((request) =>
  linesOf(request.rawHeaders).map((lines) => ({
    request,
    text: `${request.method} ${request.target} HTTP/${request.httpVersion}\r\n${lines}\r\n`,
  })),
);

const responseNames = [
  ...['Content-Type', 'X-Request-Id', 'Burgage-Context', 'X_Any', 'Date', 'ETag', 'Keep-Alive', 'Proxy-Connection', 'Trailer', 'Close'],
  ...['Forwarded', 'X-Forwarded-For', 'Host', 'Expect', 'secret', 'x-secret'],
];
const cookies = [
  ...['a=1', 'a=1; Path=/; Secure', 'a=1; Domain=example.com', 'a=1; domain=.Example.COM', 'a=1;DOMAIN = com ; Path=/', 'domain=1'],
  ...[
    'a=1; Domain=acme.example.com',
    'a=1; Domain="example.com"',
    'a=1; Domain=\xc3\xa9xample.com',
    'a=domain; Domain=',
    'a=1; omain=example.com',
  ],
];
const responseLines = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.oneof(tokens, fc.constantFrom(...responseNames)), values) },
  { weight: 1, arbitrary: framing },
  { weight: 1, arbitrary: connection },
  { weight: 1, arbitrary: pair(['Set-Cookie', 'set-cookie'], cookies) },
  { weight: 1, arbitrary: pair(['Keep-Alive'], ['timeout=5', 'max=3, timeout=60', 'timeout', 'timeout=x', 'x timeout=5', 'timeout=5s']) },
);

export interface WrittenResponse {
  readonly httpVersion: '1.0' | '1.1';
  readonly status: number;
  readonly reason: string;
  readonly rawHeaders: readonly string[];
}

/** An answer whose every line is well formed, and its head as bytes, in Latin-1. */
export const responseTexts: fc.Arbitrary<{ response: WrittenResponse; text: string }> = fc
  .record({
    httpVersion: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    status: fc.oneof({ weight: 3, arbitrary: fc.constant(200) }, fc.constantFrom(100, 101, 103, 204, 206, 304, 404, 599, 999)),
    reason: fc.constantFrom('OK', '', 'Not so fine', 'Gr\xf6\xdfe', 'a\x01b', 'tab\tbed'),
    lines: fc.array(responseLines, { maxLength: 8 }),
  })
  .chain(({ httpVersion, status, reason, lines }) => {
    const response = { httpVersion, status, reason, rawHeaders: lines.flat() } as const;
    return linesOf(response.rawHeaders).map((text) => ({ response, text: `HTTP/${httpVersion} ${status} ${reason}\r\n${text}\r\n` }));
  });
