// Clients that keep on asking while one gateway takes over from another, and count what each of them met.
import { Agent, get, type RequestOptions } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { Agent as SecureAgent, get as secureGet } from 'node:https';

/** What one kind of client met: answers, and everything that was none. */
export interface Met {
  answers: number;
  /** The longest that one waited, from before it connected. */
  longestMs: number;
  readonly faults: string[];
}

export interface Load {
  readonly met: Readonly<Record<string, Met>>;
  /** Resolves once every client has had so many more answers. */
  more(answers: number): Promise<void>;
  /** Lets each have its last answer. */
  stop(): Promise<void>;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly httpsPort: number;
  readonly ca: string;
}

/** So many of each kind at once. */
const each = 4;
const pauseMs = 5;

export function startLoad(target: Target): Load {
  const met: Record<string, Met> = {};
  const stopping = new AbortController();
  const running: Promise<void>[] = [];

  function keepAsking(kind: string, ask: () => Promise<string>): void {
    const mine: Met = met[kind] ?? { answers: 0, longestMs: 0, faults: [] };
    met[kind] = mine;
    running.push(
      (async () => {
        while (!stopping.signal.aborted) {
          const begunMs = performance.now();
          try {
            const body = await ask();
            if (body !== 'app') mine.faults.push(`got ${JSON.stringify(body)}`);
            mine.answers += 1;
            mine.longestMs = Math.max(mine.longestMs, performance.now() - begunMs);
          } catch (error) {
            mine.faults.push(String(error));
          }
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      })(),
    );
  }

  // Each connection is used in its turn: none is forgotten, and holds the gateway that it leads to.
  const options = { host: '127.0.0.1', headers: { host: target.host } };
  const secure = { servername: target.host, ca: target.ca };
  const kept = new Agent({ keepAlive: true, scheduling: 'fifo' });
  const keptSecure = new SecureAgent({ keepAlive: true, scheduling: 'fifo', ...secure });
  for (let number = 0; number < each; number++) {
    keepAsking('keep-alive', () => bodyOf({ ...options, port: target.port, agent: kept }));
    keepAsking('new connections', () => bodyOf({ ...options, port: target.port, agent: new Agent() }));
    keepAsking('TLS keep-alive', () => bodyOf({ ...options, port: target.httpsPort, agent: keptSecure }));
    keepAsking('TLS new connections', () => bodyOf({ ...options, port: target.httpsPort, agent: new SecureAgent(secure) }));
    const http2 = new Http2Client(target);
    keepAsking('HTTP/2', () => http2.get());
    stopping.signal.addEventListener('abort', () => http2.close());
  }

  return {
    met,
    async more(answers) {
      const wanted = Object.entries(met).map(([kind, { answers: had }]) => [kind, had + answers] as const);
      while (wanted.some(([kind, enough]) => (met[kind]?.answers ?? 0) < enough))
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
    },
    async stop() {
      stopping.abort();
      await Promise.all(running);
      kept.destroy();
      keptSecure.destroy();
    },
  };
}

function bodyOf(options: RequestOptions & { readonly agent: Agent | SecureAgent }): Promise<string> {
  const ask = options.agent instanceof SecureAgent ? secureGet : get;
  return new Promise((resolve, reject) => {
    ask(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => (body += piece));
      response.on('end', () => resolve(response.statusCode === 200 ? body : `${response.statusCode} ${body}`)).on('error', reject);
    }).on('error', reject);
  });
}

/** One connection at a time, and another where that says goodbye, as browsers do (RFC 9113 section 6.8). */
class Http2Client {
  readonly #target: Target;
  #session: ClientHttp2Session | undefined;
  /** As the connection's goodbye said. */
  #lastProcessed = Number.POSITIVE_INFINITY;

  constructor(target: Target) {
    this.#target = target;
  }

  async get(): Promise<string> {
    for (;;) {
      const session = this.#open();
      const answered = await this.#ask(session);
      if (answered !== 'not processed') return answered;
      this.#session = undefined;
    }
  }

  close(): void {
    this.#session?.close();
  }

  #open(): ClientHttp2Session {
    const { host, port: _, httpsPort: port, ca } = this.#target;
    const last = this.#session;
    if (last !== undefined && !last.closed && !last.destroyed) return last;
    const session = connectHttp2(`https://${host}`, { ca, servername: host, host: '127.0.0.1', port });
    session.on('error', () => {});
    session.on('goaway', (_, lastStreamId: number) => {
      if (this.#session === session) this.#lastProcessed = lastStreamId;
    });
    this.#session = session;
    this.#lastProcessed = Number.POSITIVE_INFINITY;
    return session;
  }

  /** Whether a request that got no answer may be sent again is the gateway's to say. */
  #ask(session: ClientHttp2Session): Promise<string> {
    return new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/' });
      let body = '';
      let status = 0;
      stream.setEncoding('utf8').on('data', (piece: string) => (body += piece));
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0;
      });
      stream.on('error', () => {});
      stream.on('close', () => {
        const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || (stream.id ?? 0) > this.#lastProcessed;
        if (status === 200 && stream.rstCode === constants.NGHTTP2_NO_ERROR) resolve(body);
        else if (status === 0 && isRefused) resolve('not processed');
        else reject(new Error(`stream ${stream.id} of HTTP/2 ended with ${stream.rstCode}, status ${status}`));
      });
    });
  }
}
