// Clients that write into a tenant through the gateway as its owner, and remember what they were answered.
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** One write as its client saw it; times on one monotonic clock, in milliseconds. */
export interface Written {
  readonly name: string;
  readonly status: number;
  /** The code of a problem; empty where there is none. */
  readonly code: string;
  readonly retryAfter: string | undefined;
  readonly sentMs: number;
  readonly answeredMs: number;
}

export interface WriterOptions {
  readonly port: number;
  readonly host: string;
  /** The owner's session. */
  readonly token: string;
  readonly clients: number;
  /** Begins the names of the contacts: no two tenants' alike. */
  readonly prefix: string;
  /** Between two writes of a client. */
  readonly pauseMs?: number;
}

interface PageAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Every name is written once, whatever the answer: what was refused must not be there. */
export class Writers {
  readonly answers: Written[] = [];
  /** Writes that had no answer. */
  readonly broken: unknown[] = [];
  readonly #options: WriterOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#running = Promise.all(Array.from({ length: options.clients }, (_, client) => this.#write(client)));
  }

  get prefix(): string {
    return this.#options.prefix;
  }

  get accepted(): readonly Written[] {
    return this.answers.filter(({ status }) => status === 201);
  }

  get refused(): readonly Written[] {
    return this.answers.filter(({ status }) => status !== 201);
  }

  /** Resolves when every write has its answer. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Stops, and lists the names of all contacts that the tenant has. */
  async names(): Promise<readonly string[]> {
    await this.stop();
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const answer = await this.#send('GET', `/api/contacts?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      if (answer.status !== 200) throw new Error(`the contacts cannot be listed: ${answer.status} ${answer.body}`);
      const page = JSON.parse(answer.body) as { items: readonly { name: string }[]; nextCursor?: string };
      names.push(...page.items.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    this.#agent.destroy();
    return names;
  }

  async #write(client: number): Promise<void> {
    const { prefix, pauseMs = 2 } = this.#options;
    const { signal } = this.#stopping;
    for (let count = 0; !signal.aborted; count += 1) {
      const name = `${prefix} ${client}-${count}`;
      const sentMs = performance.now();
      try {
        const { status, headers, body } = await this.#send('POST', '/api/contacts', JSON.stringify({ name }));
        const code = status === 201 ? '' : codeIn(body);
        this.answers.push({ name, status, code, retryAfter: headers['retry-after'], sentMs, answeredMs: performance.now() });
        // Sooner than the answer asks for: what is measured is the tenant's pause, not the client's.
        await sleep(status === 201 ? pauseMs : 20);
      } catch (error) {
        this.broken.push(error);
        await sleep(20);
      }
    }
  }

  #send(method: string, path: string, body?: string): Promise<PageAnswer> {
    const { port, host, token } = this.#options;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port,
          path,
          method,
          headers: {
            host,
            authorization: `Bearer ${token}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
          },
        },
        (incoming) => {
          incoming
            .toArray()
            .then(
              (chunks) =>
                resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks).toString('utf8') }),
              reject,
            );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

export interface Pause {
  /** The longest time between two answers that took a write. */
  readonly withoutWriteMs: number;
  /** From the sending of the first write that was held or refused in it to the first answer that took one. */
  readonly heldMs: number;
  /** Writes that were refused. */
  readonly refused: number;
}

/** The pause within `fromMs` and `toMs`, as all clients together saw it. */
export function pauseIn(answers: readonly Written[], fromMs: number, toMs: number): Pause {
  const accepted = answers
    .filter(({ status }) => status === 201)
    .map(({ answeredMs }) => answeredMs)
    .toSorted((one, other) => one - other);
  let [beginMs, endMs] = [fromMs, fromMs];
  for (const [index, answeredMs] of accepted.entries()) {
    const beforeMs = accepted[index - 1] ?? answeredMs;
    if (answeredMs < fromMs || beforeMs > toMs) continue;
    if (answeredMs - beforeMs > endMs - beginMs) [beginMs, endMs] = [beforeMs, answeredMs];
  }
  const held = answers.filter(({ sentMs, answeredMs }) => answeredMs > beginMs && sentMs < endMs).map(({ sentMs }) => sentMs);
  return {
    withoutWriteMs: endMs - beginMs,
    heldMs: endMs - Math.min(endMs, ...held),
    refused: answers.filter(({ status, answeredMs }) => status !== 201 && answeredMs >= fromMs && answeredMs <= toMs).length,
  };
}

function codeIn(body: string): string {
  try {
    return String((JSON.parse(body) as { readonly code?: unknown }).code ?? '');
  } catch {
    return `not a problem: ${body.slice(0, 80)}`;
  }
}
