// What the heads of one request cost the gateway's own engine: read and written anew, both ways, in nanoseconds.
import { defaultLimits } from '../src/defaults.ts';
import { Piece } from '../src/domain/put.ts';
import { ChunkedReader } from '../src/engine/http1/chunked.ts';
import { HeadBuffer } from '../src/engine/http1/head-buffer.ts';
import { ClientLines, writeRequestHead, writeResponseHead } from '../src/engine/http1/head-writer.ts';
import { ParsedRequest, parseRequestHead } from '../src/engine/http1/request-head.ts';
import { ParsedResponse, parseResponseHead } from '../src/engine/http1/response-head.ts';

/** So short that many of them are not interrupted, however busy the machine is; the cases take turns. */
const callsInWindow = 300;
const windows = 2_000;
/** The compiler is at work in the first of them. */
const windowsDropped = 500;

function requestHead(host: string, page: number, cookieBytes: number): Buffer {
  const lines = [
    `GET /api/contacts?page=${page} HTTP/1.1`,
    `Host: ${host}`,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
    'Accept: text/html,application/json;q=0.9,*/*;q=0.8',
    'Accept-Encoding: gzip, deflate, br',
    `Cookie: session=${'0123456789abcdef'.repeat(cookieBytes / 16)}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

const oneHost = Array.from({ length: 1_000 }, (_, i) => requestHead('tenant-500.example.com', i % 50, 32));
const manyHosts = Array.from({ length: 1_000 }, (_, i) => requestHead(`tenant-${i}.example.com`, i % 50, 32));
const longHeads = Array.from({ length: 1_000 }, (_, i) => requestHead('tenant-500.example.com', i % 50, 800));
const answerLines = [
  'HTTP/1.1 200 OK',
  'Content-Type: application/json; charset=utf-8',
  'Content-Length: 92',
  'Cache-Control: no-store',
  'Date: Sat, 01 Aug 2026 12:00:00 GMT',
  'Connection: keep-alive',
  'Keep-Alive: timeout=5',
];
const answer = Buffer.from(`${answerLines.join('\r\n')}\r\n\r\n`);
const chunks = Buffer.from(`400\r\n${'x'.repeat(1_024)}\r\n`.repeat(63));

const request = new ParsedRequest();
const written = new ParsedRequest();
parseRequestHead(oneHost[0] as Buffer, 0, (oneHost[0] as Buffer).length, defaultLimits, written);
const response = new ParsedResponse();
const reader = new ChunkedReader();
const out = new HeadBuffer();
const client = ClientLines.of({ address: '203.0.113.7', scheme: 'https' });
const facts = {
  authority: 'tenant-500.example.com',
  clientAddress: '203.0.113.7',
  scheme: 'https',
  requestId: Piece.of('4bf92f3577b34da6a3ce929d0e0e4736'),
  traceId: Piece.of('4bf92f3577b34da6a3ce929d0e0e4736'),
  spanId: Piece.of('00f067aa0ba902b7'),
  traceFlags: 1,
  keepsTracestate: false,
  context: 'c'.repeat(400),
} as const;
const lines = {
  requestId: facts.requestId,
  baseDomain: 'example.com',
  clientVersion: '1.1',
  keepAlive: true,
  isChunked: false,
  date: () => 'Sat, 01 Aug 2026 12:00:00 GMT',
} as const;

let turn = 0;

function read(heads: readonly Buffer[]): void {
  turn = (turn + 1) % heads.length;
  const head = heads[turn] as Buffer;
  if (parseRequestHead(head, 0, head.length, defaultLimits, request) !== 'complete') throw new Error('a request was not read');
}

/** For a comparison between machines: what one byte costs that is only looked at. */
function ruler(): void {
  let sum = 0;
  for (let i = 0; i < answer.length; i++) sum += answer[i] as number;
  if (sum === 0) throw new Error('an answer of nothing');
}

const cases: readonly (readonly [what: string, run: () => void])[] = [
  [`${answer.length} bytes looked at`, ruler],
  [`request of ${oneHost[0]?.length} bytes read, one host`, () => read(oneHost)],
  [`request of ${manyHosts[0]?.length} bytes read, 1,000 hosts`, () => read(manyHosts)],
  [`request of ${longHeads[0]?.length} bytes read`, () => read(longHeads)],
  [
    'the first of them written',
    () => {
      out.clear();
      writeRequestHead(out, written, facts, client);
    },
  ],
  [
    `answer of ${answer.length} bytes read`,
    () => {
      if (parseResponseHead(answer, 0, answer.length, defaultLimits, request, response) !== 'complete') throw new Error('no answer');
    },
  ],
  [
    'answer written',
    () => {
      out.clear();
      writeResponseHead(out, response, lines);
    },
  ],
  [
    '63 chunks of 1 KB read',
    () => {
      let at = 0;
      reader.reset();
      while (reader.next(chunks, at, chunks.length) === 'data') at = reader.at;
    },
  ],
];

const measured = cases.map(([what, run]) => ({ what, run, values: [] as number[] }));
for (let window = 0; window < windows; window++) {
  for (const { run, values } of measured) {
    const beganMs = performance.now();
    for (let i = 0; i < callsInWindow; i++) run();
    values.push(((performance.now() - beganMs) * 1e6) / callsInWindow);
  }
}

process.stdout.write('nanoseconds                               least   quarter   half\n');
for (const { what, values } of measured) {
  const sorted = values.slice(windowsDropped).sort((one, other) => one - other);
  const part = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0);
  process.stdout.write(`${what.padEnd(40)} ${part(0).padStart(6)} ${part(0.25).padStart(9)} ${part(0.5).padStart(6)}\n`);
}
