// Answers of backends by hand for the differential suite: each with the section that it is about, and what a client of the engine sees.

/** `passes`: the client has it whole · `breaks off`: it has the head, and a connection that ends too early · 502: nothing of it. */
export type ExpectedAnswer = 'passes' | 'breaks off' | 502 | 504;

export interface AnswerCase {
  readonly section: string;
  readonly name: string;
  /** The request, without its further fields. */
  readonly request: string;
  /** In Latin-1. */
  readonly text: string;
  /** The backend ends its connection behind it. */
  readonly ends: boolean;
  readonly ours: ExpectedAnswer;
}

const answer = (lines: string, body = '', status = '200 OK'): string => `HTTP/1.1 ${status}\r\n${lines}\r\n${body}`;
const length = (value: string, body = 'hello'): string => answer(`Content-Length:${value}\r\n`, body);
const coded = (value: string, body = '5\r\nhello\r\n0\r\n\r\n'): string => answer(`Transfer-Encoding:${value}\r\n`, body);
const chunked = (body: string): string => coded(' chunked', body);
const line = (start: string): string => `${start}\r\nContent-Length: 5\r\n\r\nhello`;
const field = (text: string): string => answer(`${text}Content-Length: 5\r\n`, 'hello');
const second = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
const switching = (lines: string): string => answer(lines, '', '101 Switching Protocols');

type Written = readonly [text: string, ours: ExpectedAnswer, more?: { readonly request?: string; readonly ends?: boolean }];
const ends = { ends: true } as const;
const toHead = { request: 'HEAD / HTTP/1.1' } as const;

/** By section: name -> the answer and what becomes of it. */
const sections: Readonly<Record<string, Readonly<Record<string, Written>>>> = {
  'RFC 9112 2.3': {
    'HTTP/1.0 with a length': [line('HTTP/1.0 200 OK'), 'passes'],
    'HTTP/1.0 up to the end': ['HTTP/1.0 200 OK\r\n\r\nhello', 'passes', ends],
    'HTTP/1.2': [line('HTTP/1.2 200 OK'), 502],
    'HTTP/2.0': [line('HTTP/2.0 200 OK'), 502],
    'HTTP/0.9 by name': [line('HTTP/0.9 200 OK'), 502],
    'HTTP/1.10': [line('HTTP/1.10 200 OK'), 502],
    'HTTP/1': [line('HTTP/1 200 OK'), 502],
    'http/1.1': [line('http/1.1 200 OK'), 502],
    ICY: [line('ICY 200 OK'), 502],
    'HTTP/0.9': ['hello', 502, ends],
    'another protocol': ['SSH-2.0-OpenSSH_9.6\r\n', 502, ends],
    'a TLS alert': ['\x15\x03\x01\x00\x02\x02\x46', 502, ends],
    nothing: ['', 502, ends],
    'a request': ['GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n', 502, ends],
  },
  'RFC 9112 4': {
    'a status line': [line('HTTP/1.1 200 OK'), 'passes'],
    'a status line without a phrase': [line('HTTP/1.1 200 '), 'passes'],
    'a status line without a space behind the status': [line('HTTP/1.1 200'), 'passes'],
    'two spaces before the status': [line('HTTP/1.1  200 OK'), 502],
    'a tab before the status': [line('HTTP/1.1\t200 OK'), 502],
    'a tab behind the status': [line('HTTP/1.1 200\tOK'), 502],
    'a status of two digits': [line('HTTP/1.1 20 OK'), 502],
    'a status of four digits': [line('HTTP/1.1 2000 OK'), 502],
    'a status of letters': [line('HTTP/1.1 abc OK'), 502],
    'a negative status': [line('HTTP/1.1 -20 OK'), 502],
    'the status 099': [line('HTTP/1.1 099 OK'), 502],
    'the status 000': [line('HTTP/1.1 000 OK'), 502],
    'the status 299': [line('HTTP/1.1 299 Odd'), 'passes'],
    'the status 600': [line('HTTP/1.1 600 Odd'), 'passes'],
    'the status 999': [line('HTTP/1.1 999 Odd'), 'passes'],
    'a phrase with a tab': [line('HTTP/1.1 200 O\tK'), 'passes'],
    'a phrase with a control character': [line('HTTP/1.1 200 O\x01K'), 'passes'],
    'a phrase beyond ASCII': [line('HTTP/1.1 200 Gr\xfc\xdfe'), 'passes'],
    'a phrase with a NUL': [line('HTTP/1.1 200 O\0K'), 502],
    'a phrase with a CR': [line('HTTP/1.1 200 O\rK'), 502],
    'a long phrase': [line(`HTTP/1.1 200 ${'a'.repeat(4_000)}`), 'passes'],
  },
  'RFC 9112 2.2': {
    'an empty line before the answer': [`\r\n${length(' 5')}`, 502],
    'LF instead of every CRLF': ['HTTP/1.1 200 OK\nContent-Length: 5\n\nhello', 502],
    'LF behind the status line': ['HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello', 502],
    'LF behind a field': [answer('X: 1\nContent-Length: 5\r\n', 'hello'), 502],
    'LF at the end of the head': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello', 502],
    'CR behind a field': [answer('X: 1\rContent-Length: 5\r\n', 'hello'), 502],
    'CR CR LF behind a field': [answer('X: 1\r\r\nContent-Length: 5\r\n', 'hello'), 502],
    'a blank before the first field': ['HTTP/1.1 200 OK\r\n X: 1\r\nContent-Length: 5\r\n\r\nhello', 502],
    'a head that is cut off': ['HTTP/1.1 200 OK\r\nContent-Le', 502, ends],
    'a head that does not go on': ['HTTP/1.1 200 OK\r\nContent-Le', 504],
    'a status line that is cut off': ['HTTP/1.1 2', 502, ends],
  },
  'RFC 9112 5': {
    'a field without a value': [field('X:\r\n'), 'passes'],
    'a field with blanks around its value': [field('X: \t 1 \t \r\n'), 'passes'],
    'a field without a colon': [field('X\r\n'), 502],
    'a field without a name': [field(': 1\r\n'), 502],
    'a space before the colon': [field('X : 1\r\n'), 502],
    'a tab before the colon': [field('X\t: 1\r\n'), 502],
    'a space before the colon of Content-Length': [answer('Content-Length : 5\r\n', 'hello'), 502],
    'a folded line': [field('X: 1\r\n 2\r\n'), 502],
    'a line folded with a tab': [field('X: 1\r\n\t2\r\n'), 502],
    'a folded length': [answer('Content-Length:\r\n 5\r\n', 'hello'), 502],
  },
  'RFC 9110 5.1': {
    'a name with a space': [field('X Y: 1\r\n'), 502],
    'a name with parentheses': [field('X(y): 1\r\n'), 502],
    'a name with a slash': [field('X/Y: 1\r\n'), 502],
    'a name with a NUL': [field('X\0: 1\r\n'), 502],
    'a name beyond ASCII': [field('X\xe9: 1\r\n'), 502],
    'a name with an underscore': [field('X_Y: 1\r\n'), 'passes'],
  },
  'RFC 9110 5.5': {
    'a NUL in a value': [field('X: a\0b\r\n'), 502],
    'a control character in a value': [field('X: a\x01b\r\n'), 502],
    'an escape in a value': [field('X: \x1b[31m\r\n'), 502],
    'DEL in a value': [field('X: a\x7fb\r\n'), 502],
    'a tab in a value': [field('X: a\tb\r\n'), 'passes'],
    'bytes beyond ASCII in a value': [field('X: gr\xfc\xdfe\r\n'), 'passes'],
  },
  'RFC 9110 5.4': {
    'a value of 3 KiB': [field(`X: ${'a'.repeat(3_000)}\r\n`), 'passes'],
    'a value of 12 KiB': [field(`X: ${'a'.repeat(12_000)}\r\n`), 'passes'],
    'a head of more than 16 KiB': [field(`X: ${'a'.repeat(17_000)}\r\n`), 502],
    'a hundred lines': [field('X: 1\r\n'.repeat(99)), 'passes'],
    'more lines': [field('X: 1\r\n'.repeat(100)), 502],
  },
  'RFC 9110 8.6': {
    'a length': [length(' 5'), 'passes'],
    'a length of nothing': [length(' 0', ''), 'passes'],
    'a length with zeros before it': [length(' 0005'), 'passes'],
    'an empty length': [length(''), 502],
    'a length with a plus': [length(' +5'), 502],
    'a length with a minus': [length(' -5'), 502],
    'a length in hexadecimal': [length(' 0x5'), 502],
    'a length with a word behind it': [length(' 5 bytes'), 502],
    'a length with a comma behind it': [length(' 5,'), 502],
    'a list of lengths that differ': [length(' 5, 6'), 502],
    'a list of lengths that are the same': [length(' 5, 5'), 502],
    'a length of 64 bits and five': [length(' 18446744073709551621'), 502],
  },
  'RFC 9112 6.3': {
    'two lengths that differ': [answer('Content-Length: 5\r\nContent-Length: 4\r\n', 'hello'), 502],
    'two lengths that are the same': [answer('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), 502],
    'a length and chunks': [answer('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'), 502],
    'chunks and a length': [answer('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '5\r\nhello\r\n0\r\n\r\n'), 502],
    'a body up to the end': [answer('', 'hello'), 'passes', ends],
    'a body up to the end, and Connection: keep-alive': [answer('Connection: keep-alive\r\n', 'hello'), 'passes', ends],
    'a body that is cut off': [length(' 5', 'he'), 'breaks off', ends],
    'a body that does not go on': [length(' 5', 'he'), 'breaks off'],
    'a body that does not begin': [length(' 5', ''), 'breaks off', ends],
    'a body that is longer than its length': [length(' 5', 'hello and more'), 'passes'],
    'a second answer': [length(' 5') + second, 'passes'],
    'a second answer behind an answer of nothing': [length(' 0', '') + second, 'passes'],
    'an answer to HEAD with a length': [length(' 5', ''), 'passes', toHead],
    'an answer to HEAD with chunks': [coded(' chunked', ''), 'passes', toHead],
    'an answer to HEAD with a body': [length(' 5'), 'passes', toHead],
    'an answer to HEAD without a length': [answer(''), 'passes', toHead],
    'an answer to HEAD with a length that is none': [length(' x', ''), 502, toHead],
    '204': [answer('', '', '204 No Content'), 'passes'],
    '204 with a length': [answer('Content-Length: 5\r\n', '', '204 No Content'), 'passes'],
    '204 with a body': [answer('Content-Length: 5\r\n', 'hello', '204 No Content'), 'passes'],
    '204 with chunks': [answer('Transfer-Encoding: chunked\r\n', '0\r\n\r\n', '204 No Content'), 'passes'],
    '204 with a second answer': [answer('', second, '204 No Content'), 'passes'],
    '304': [answer('', '', '304 Not Modified'), 'passes'],
    '304 with a length': [answer('Content-Length: 5\r\n', '', '304 Not Modified'), 'passes'],
    '304 with a body': [answer('Content-Length: 5\r\n', 'hello', '304 Not Modified'), 'passes'],
    '205 with a length of nothing': [answer('Content-Length: 0\r\n', '', '205 Reset Content'), 'passes'],
  },
  'RFC 9112 6.1': {
    chunked: [coded(' chunked'), 'passes'],
    'chunked in capitals': [coded(' CHUNKED'), 'passes'],
    'chunked with HTTP/1.0': ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 502],
    'chunked twice in one line': [coded(' chunked, chunked'), 502],
    'chunked in two lines': [answer('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'), 502],
    'chunked with a comma behind it': [coded(' chunked,'), 502],
    'chunked behind a vertical tab': [coded(' \x0bchunked'), 502],
    'a word that ends with chunked': [coded(' xchunked'), 502],
    'chunked and identity': [coded(' chunked, identity'), 502],
    identity: [coded(' identity', 'hello'), 502, ends],
    gzip: [coded(' gzip', 'hello'), 502, ends],
    'gzip and chunked': [coded(' gzip, chunked'), 502],
    'chunked and gzip': [coded(' chunked, gzip'), 502],
    'an empty coding': [coded('', 'hello'), 502, ends],
  },
  'RFC 9112 7.1': {
    'many chunks': [chunked('1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n'), 'passes'],
    'a size with zeros before it': [chunked('0005\r\nhello\r\n0000\r\n\r\n'), 'passes'],
    'a size with an extension': [chunked('5;a=b\r\nhello\r\n0\r\n\r\n'), 'passes'],
    'a size with 0x': [chunked('0x5\r\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'a size with a minus': [chunked('-5\r\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'a size that is no number': [chunked('xyz\r\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'a size of 64 bits and five': [chunked('10000000000000005\r\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'a space behind the size': [chunked('5 \r\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'LF behind the size': [chunked('5\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'LF behind the data': [chunked('5\r\nhello\n0\r\n\r\n'), 'breaks off'],
    'data that are longer than their size': [chunked('4\r\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'LF at the end': [chunked('5\r\nhello\r\n0\r\n\n'), 'breaks off'],
    'chunks that are cut off': [chunked('5\r\nhel'), 'breaks off', ends],
    'chunks without the last': [chunked('5\r\nhello\r\n'), 'breaks off', ends],
    'chunks whose end is cut off': [chunked('5\r\nhello\r\n0\r\n'), 'breaks off', ends],
    'a second answer behind chunks': [chunked(`5\r\nhello\r\n0\r\n\r\n${second}`), 'passes'],
    'a second answer in place of the end': [chunked(`5\r\nhello\r\n0\r\n${second}`), 'breaks off'],
    'an extension with LF': [chunked('5;a\nhello\r\n0\r\n\r\n'), 'breaks off'],
    'an extension of 300 bytes': [chunked(`5;${'a'.repeat(300)}\r\nhello\r\n0\r\n\r\n`), 'breaks off'],
  },
  'RFC 9112 7.1.2': {
    'a trailer': [chunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'), 'passes'],
    'a trailer with a space before the colon': [chunked('5\r\nhello\r\n0\r\nX : 1\r\n\r\n'), 'breaks off'],
    'a folded trailer': [chunked('5\r\nhello\r\n0\r\nX: 1\r\n 2\r\n\r\n'), 'breaks off'],
    'a trailer with LF': [chunked('5\r\nhello\r\n0\r\nX: 1\n\r\n'), 'breaks off'],
    'a length as a trailer': [chunked('5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n'), 'breaks off'],
    'a cookie as a trailer': [chunked('5\r\nhello\r\n0\r\nSet-Cookie: a=1\r\n\r\n'), 'passes'],
  },
  'RFC 9110 15.2': {
    'a hint before the answer': [answer('Link: </a.css>\r\n', length(' 5'), '103 Early Hints'), 'passes'],
    'a 102 before the answer': [answer('', length(' 5'), '102 Processing'), 'passes'],
    'a 100 that nobody asked for': [answer('', length(' 5'), '100 Continue'), 'passes'],
    'a hint with a length': [answer('Content-Length: 5\r\n', length(' 5'), '103 Early Hints'), 'passes'],
    'a hint alone': [answer('', '', '103 Early Hints'), 502, ends],
    'a hint to HTTP/1.0': [answer('', length(' 5'), '103 Early Hints'), 'passes', { request: 'GET / HTTP/1.0' }],
    'more hints than anybody needs': [answer('', '', '103 Early Hints').repeat(40) + length(' 5'), 502],
  },
  'RFC 9110 7.8': {
    'a 101 that nobody asked for': [switching('Connection: Upgrade\r\nUpgrade: websocket\r\n'), 502, ends],
    'a 101 without an Upgrade': [switching(''), 502, ends],
    '426 with an Upgrade': [answer('Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n', '', '426 Upgrade Required'), 'passes'],
  },
  'RFC 9110 7.6.1': {
    'Connection that names Content-Length': [answer('Connection: content-length\r\nContent-Length: 5\r\n', 'hello'), 'passes'],
    'Connection that names Transfer-Encoding': [
      answer('Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
      'passes',
    ],
    'Connection: close': [answer('Connection: close\r\nContent-Length: 5\r\n', 'hello'), 'passes', ends],
    'chunks to HTTP/1.0': [coded(' chunked'), 'passes', { request: 'GET / HTTP/1.0' }],
    'a length to HTTP/1.0': [length(' 5'), 'passes', { request: 'GET / HTTP/1.0' }],
    'a body up to the end, to HTTP/1.0': [answer('', 'hello'), 'passes', { request: 'GET / HTTP/1.0', ends: true }],
  },
};

export const answerCases: readonly AnswerCase[] = Object.entries(sections).flatMap(([section, cases]) =>
  Object.entries(cases).map(([name, [text, ours, more]]) => {
    return { section, name, request: more?.request ?? 'GET / HTTP/1.1', text, ends: more?.ends ?? false, ours };
  }),
);
