// What one head costs the gateway's own engine: read and written anew, both ways, in nanoseconds.
import { defaultLimits } from '../src/defaults.ts';
import { HeadBuffer } from '../src/engine/http1/head-buffer.ts';
import { ClientLines, writeRequestHead, writeResponseHead } from '../src/engine/http1/head-writer.ts';
import { ParsedRequest, parseRequestHead } from '../src/engine/http1/request-head.ts';
import { ParsedResponse, parseResponseHead } from '../src/engine/http1/response-head.ts';

/** The median of several windows, so that one hiccup of the machine decides nothing. */
const windows = 9;
const windowMs = 150;
const callsAtOnce = 1_000;

const hosts = Array.from({ length: 1_000 }, (_, i) => `tenant-${i}.example.com`);
const requests = hosts.map((host, i) =>
  Buffer.from(
    [
      `GET /api/contacts?page=${i % 50} HTTP/1.1`,
      `Host: ${host}`,
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
      'Accept: text/html,application/json;q=0.9,*/*;q=0.8',
      'Accept-Encoding: gzip, deflate, br',
      'Cookie: session=0123456789abcdef0123456789abcdef',
      '',
      '',
    ].join('\r\n'),
  ),
);
const answer = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Content-Type: application/json; charset=utf-8',
    'Content-Length: 92',
    'Cache-Control: no-store',
    'Date: Sat, 01 Aug 2026 12:00:00 GMT',
    'Connection: keep-alive',
    'Keep-Alive: timeout=5',
    '',
    '',
  ].join('\r\n'),
);

const request = new ParsedRequest();
const response = new ParsedResponse();
const out = new HeadBuffer();
const client = new ClientLines({ address: '203.0.113.7', scheme: 'https' });
const facts = {
  authority: 'tenant-500.example.com',
  clientAddress: '203.0.113.7',
  scheme: 'https',
  requestId: '4bf92f3577b34da6a3ce929d0e0e4736',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  keepsTracestate: false,
  context: 'c'.repeat(400),
} as const;
const responseLines = {
  requestId: facts.requestId,
  baseDomain: 'example.com',
  clientVersion: '1.1',
  keepAlive: true,
  isChunked: false,
  date: 'Sat, 01 Aug 2026 12:00:00 GMT',
} as const;

let turn = 0;

function readRequest(): void {
  turn = (turn + 1) % requests.length;
  const bytes = requests[turn] as Buffer;
  if (parseRequestHead(bytes, 0, bytes.length, defaultLimits, request) !== 'complete') throw new Error('a request was not read');
}

function readResponse(): void {
  if (parseResponseHead(answer, 0, answer.length, defaultLimits, request, response) !== 'complete')
    throw new Error('an answer was not read');
}

const cases: readonly (readonly [what: string, run: () => void])[] = [
  ['request: read', readRequest],
  [
    'request: read and written',
    () => {
      readRequest();
      out.clear();
      writeRequestHead(out, request, facts, client);
    },
  ],
  ['answer: read', readResponse],
  [
    'answer: read and written',
    () => {
      readResponse();
      out.clear();
      writeResponseHead(out, response, responseLines);
    },
  ],
];

/** Nanoseconds of one call. */
function measure(run: () => void): number {
  const beganMs = performance.now();
  let calls = 0;
  let nowMs = beganMs;
  while (nowMs < beganMs + windowMs) {
    for (let i = 0; i < callsAtOnce; i++) run();
    calls += callsAtOnce;
    nowMs = performance.now();
  }
  return ((nowMs - beganMs) * 1e6) / calls;
}

const figures = cases.map(([what, run]) => {
  measure(run);
  const values = Array.from({ length: windows }, () => measure(run)).sort((one, other) => one - other);
  return { what, ns: values[Math.floor(windows / 2)] ?? 0, least: values[0] ?? 0 };
});

process.stdout.write(`a request of ${requests[0]?.length} bytes, an answer of ${answer.length} bytes\n`);
for (const { what, ns, least } of figures) {
  process.stdout.write(`${what.padEnd(28)} ${ns.toFixed(0).padStart(6)} ns   least ${least.toFixed(0).padStart(6)} ns\n`);
}
