// What tests ask of Toxiproxy: proxies between a client and a server, cut and mended at will.
import { type Random, systemRandom } from '@burgage/runtime';
import { LabError } from './errors.ts';
import { type ClaimedPort, claimPort } from './ports.ts';

/** Towards the client, or towards the server. */
export type Stream = 'downstream' | 'upstream';

export interface Latency {
  readonly latencyMs: number;
  /** Each piece of data is early or late by up to this; default 0. */
  readonly jitterMs?: number;
  /** Default `downstream`. */
  readonly stream?: Stream;
}

const host = '127.0.0.1';

/** The control of one Toxiproxy: `new Toxiproxy(lab.server('toxiproxy').url)`. */
export class Toxiproxy {
  readonly #url: string;
  readonly #random: Random;

  constructor(url: string, random: Random = systemRandom) {
    this.#url = url;
    this.#random = random;
  }

  /** A proxy on a free port that hands connections on to `target`, which is `host:port`. */
  async createProxy(name: string, target: string): Promise<FaultProxy> {
    const claimed = await claimPort(host, this.#random);
    await this.#ask('POST', '/proxies', { name, listen: `${host}:${claimed.port}`, upstream: target, enabled: true });
    return new FaultProxy(name, claimed, (method, path, body) => this.#ask(method, `/proxies/${encodeURIComponent(name)}${path}`, body));
  }

  /** Mends every proxy: enabled, without toxics. */
  async reset(): Promise<void> {
    await this.#ask('POST', '/reset');
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
    const text = await response.text();
    if (!response.ok) throw new LabError(`toxiproxy: ${method} ${path} got ${response.status} ${text.trim()}, expected 2xx`);
    return text === '' ? undefined : JSON.parse(text);
  }
}

type Ask = (method: string, path: string, body?: object) => Promise<unknown>;

/** One proxy. Its address stays the same whatever happens to it. */
export class FaultProxy {
  readonly name: string;
  readonly host = host;
  readonly port: number;
  readonly #claimed: ClaimedPort;
  readonly #ask: Ask;

  constructor(name: string, claimed: ClaimedPort, ask: Ask) {
    this.name = name;
    this.port = claimed.port;
    this.#claimed = claimed;
    this.#ask = ask;
  }

  /** `host:port`, where clients connect. */
  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** Closes every connection and refuses new ones. */
  async disable(): Promise<void> {
    await this.#ask('POST', '', { enabled: false });
  }

  async enable(): Promise<void> {
    await this.#ask('POST', '', { enabled: true });
  }

  /** Slows what passes, of open connections too, until `reset`. */
  async addLatency({ latencyMs, jitterMs = 0, stream = 'downstream' }: Latency): Promise<void> {
    await this.addToxic('latency', { latency: latencyMs, jitter: jitterMs }, stream);
  }

  /** Connections stay open and carry nothing, until `reset`: what was held back until then is lost. */
  async silence(): Promise<void> {
    await this.addToxic('timeout', { timeout: 0 }, 'downstream');
    await this.addToxic('timeout', { timeout: 0 }, 'upstream');
  }

  /** Any toxic by its type, with the attributes of Toxiproxy's documentation; one of a type and stream. */
  async addToxic(type: string, attributes: Readonly<Record<string, number>>, stream: Stream = 'downstream'): Promise<void> {
    await this.#ask('POST', '/toxics', { name: `${type}_${stream}`, type, stream, attributes });
  }

  /** Mends it: enabled, without toxics. */
  async reset(): Promise<void> {
    const toxics = (await this.#ask('GET', '/toxics')) as readonly { readonly name: string }[];
    for (const { name } of toxics) await this.#ask('DELETE', `/toxics/${encodeURIComponent(name)}`);
    await this.enable();
  }

  /** Closes every connection and frees the port. */
  async remove(): Promise<void> {
    await this.#ask('DELETE', '');
    await this.#claimed.release();
  }
}
