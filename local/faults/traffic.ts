// Traffic to known hosts through both gateways, as a load balancer in front of them would send it; counts what fails.
import { Agent, request } from 'node:http';

/** What a second of traffic came to. */
export interface TrafficCounts {
  sent: number;
  /** Broken off while a gateway that has been killed was answering. */
  brokenOff: number;
  /** Refused, or answered with 5xx: by every gateway that could be reached. */
  failed: number;
  /** The first few failures, in words. */
  readonly reasons: string[];
}

export interface TrafficOptions {
  readonly ports: readonly number[];
  /** Host headers of live tenants. */
  readonly hosts: readonly string[];
  readonly requestsPerSecond: number;
}

type Outcome =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'refused' | 'broken' | 'late'; readonly reason: string };

const timeoutMs = 5_000;
const reasonsMax = 5;

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  #counts: TrafficCounts = { sent: 0, brokenOff: 0, failed: 0, reasons: [] };

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#send(), 1_000 / this.#options.requestsPerSecond);
  }

  /** What came since the last call. */
  take(): TrafficCounts {
    const counts = this.#counts;
    this.#counts = { sent: 0, brokenOff: 0, failed: 0, reasons: [] };
    return counts;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  #send(): void {
    const { ports, hosts } = this.#options;
    const turn = this.#turn++;
    const host = hosts[turn % hosts.length] ?? '';
    const sending = this.#request(ports, turn, host).finally(() => this.#running.delete(sending));
    this.#running.add(sending);
  }

  async #request(ports: readonly number[], turn: number, host: string): Promise<void> {
    const counts = this.#counts;
    counts.sent += 1;
    const reasons: string[] = [];
    // A connection that is refused was never a request: the next gateway gets it.
    for (let attempt = 0; attempt < ports.length; attempt += 1) {
      const outcome = await this.#ask(ports[(turn + attempt) % ports.length] ?? 0, host);
      if (outcome.kind === 'answered' && outcome.status < 500) return;
      if (outcome.kind === 'broken') {
        counts.brokenOff += 1;
        return;
      }
      reasons.push(outcome.kind === 'answered' ? `status ${outcome.status}` : outcome.reason);
      if (outcome.kind !== 'refused') break;
    }
    counts.failed += 1;
    if (counts.reasons.length < reasonsMax) counts.reasons.push(`${host}: ${reasons.join(', then ')}`);
  }

  #ask(port: number, host: string): Promise<Outcome> {
    return new Promise((resolve) => {
      const outgoing = request(
        { agent: this.#agent, host: '127.0.0.1', port, path: '/healthz', headers: { host }, timeout: timeoutMs },
        (incoming) => {
          incoming.on('error', (error) => resolve({ kind: 'broken', reason: error.message }));
          incoming.on('end', () => resolve({ kind: 'answered', status: incoming.statusCode ?? 0 }));
          incoming.resume();
        },
      );
      outgoing.on('timeout', () => {
        resolve({ kind: 'late', reason: `no answer within ${timeoutMs} ms` });
        outgoing.destroy();
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) =>
        resolve({ kind: error.code === 'ECONNREFUSED' ? 'refused' : 'broken', reason: error.message }),
      );
      outgoing.end();
    });
  }
}
