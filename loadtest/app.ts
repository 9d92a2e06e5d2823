// The app of all tenants in a load test: `node app.ts PORT` answers by the Host header, so that an answer meant for another tenant is seen.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';

const loopback = '127.0.0.1';
/** Longer than whoever asks for it waits. */
const slowMs = 2_000;
const noteBytesMax = 4_096;

/** The last note of each user, by tenant and path. */
const notes = new Map<string, string>();
const page = '<p>A line of a page like any other, long enough to fill it.</p>\n'.repeat(160);

/** `t0007.load.test:8080` -> `t0007`. */
function tenantOf({ headers }: IncomingMessage): string {
  return headers.host?.split('.', 1)[0] ?? '';
}

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}

async function textOf(request: IncomingMessage, bytesMax: number): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) if (text.length < bytesMax) text += chunk;
  return text;
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const tenant = tenantOf(request);
  const { method, url = '' } = request;
  const key = `${tenant} ${url}`;
  if (url === '/page') {
    const body = `<!doctype html><title>${tenant}</title>\n${page}`;
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': Buffer.byteLength(body) }).end(body);
  } else if (url === '/upload' && method === 'POST') {
    const sum = createHash('sha256');
    let bytes = 0;
    for await (const chunk of request) {
      sum.update(chunk);
      bytes += chunk.length;
    }
    answer(response, 201, { tenant, bytes, sha256: sum.digest('hex') });
  } else if (url.startsWith('/notes/') && method === 'PUT') {
    notes.set(key, await textOf(request, noteBytesMax));
    answer(response, 200, { tenant });
  } else if (url.startsWith('/notes/')) {
    answer(response, 200, { tenant, note: notes.get(key) ?? '' });
  } else if (url === '/slow') {
    const timer = setTimeout(() => answer(response, 200, { tenant }), slowMs);
    response.once('close', () => clearTimeout(timer));
  } else {
    answer(response, 200, { tenant });
  }
}

const server = createServer((request, response) => {
  // A client that leaves in the middle of what it sends.
  serve(request, response).catch(() => response.destroy());
});
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket, request) => {
  const tenant = tenantOf(request);
  socket.on('error', () => socket.terminate());
  socket.on('message', (data) => socket.send(`${tenant} ${String(data)}`));
});
server.listen(Number(process.argv[2]), loopback);
