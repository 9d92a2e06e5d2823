// The certificates in use: loaded when a name is first asked for, bounded in number, and followed as their files change.
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { Clock, Logger } from '@burgage/runtime';
import type { CertificateStore, KeyPair } from '../certificate-store.ts';

export interface SecureContextsOptions {
  readonly store: CertificateStore;
  /** What all contexts have in common. */
  readonly common: SecureContextOptions;
  /** Names with a certificate that are kept; the one that was asked for longest ago goes first. */
  readonly namesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Loaded {
  pair: KeyPair;
  context: SecureContext;
  checkedMs: number;
  /** Since when it has not been found any more. */
  goneMs: number | undefined;
}

/** A certificate in use is looked at again this often at most, while it is served. */
const recheckMs = 1_000;
/** One that is gone stays in use for so long: whoever removes it may be about to put a new one in its place. */
const goneMsMax = 10_000;
/** A name without one is asked about again after so long, and so many are remembered. */
const absentMs = 5_000;
const absentMax = 10_000;
/** Looked for at once; whoever asks for more than this at once asks at random. */
const loadingMax = 256;
const complaintsMax = 1_000;
const defaultName = 'default';

export class SecureContexts {
  readonly #options: SecureContextsOptions;
  readonly #loaded = new Map<string, Loaded>();
  readonly #absent = new Map<string, number>();
  readonly #loading = new Map<string, Promise<SecureContext | undefined>>();
  /** What was said last of a name, so that it is said once. */
  readonly #complaints = new Map<string, string>();

  constructor(options: SecureContextsOptions) {
    this.#options = options;
  }

  /** The context for a client that names that server, in its one spelling; undefined: there is none. */
  find(server: string): SecureContext | undefined | Promise<SecureContext | undefined> {
    if (server === defaultName) return undefined;
    const exact = this.#get(server);
    const dot = server.indexOf('.');
    if (dot < 0) return exact;
    const wildcard = `*${server.slice(dot)}`;
    if (exact instanceof Promise) return exact.then((context) => context ?? this.#get(wildcard));
    return exact ?? this.#get(wildcard);
  }

  /** The pair for clients that name nobody, as it was at the last look; undefined: there is none. */
  defaultPair(): KeyPair | undefined {
    this.#get(defaultName);
    return this.#loaded.get(defaultName)?.pair;
  }

  /** The same, once it has been looked for. */
  async loadDefaultPair(): Promise<KeyPair | undefined> {
    await this.#get(defaultName);
    return this.#loaded.get(defaultName)?.pair;
  }

  #get(name: string): SecureContext | undefined | Promise<SecureContext | undefined> {
    const nowMs = this.#options.clock.monotonicMs();
    const loaded = this.#loaded.get(name);
    if (loaded !== undefined) {
      this.#loaded.delete(name);
      this.#loaded.set(name, loaded);
      if (nowMs - loaded.checkedMs >= recheckMs) {
        loaded.checkedMs = nowMs;
        void this.#check(name, loaded);
      }
      return loaded.context;
    }
    const loading = this.#loading.get(name);
    if (loading !== undefined) return loading;
    if (nowMs < (this.#absent.get(name) ?? 0) || this.#loading.size >= loadingMax) return undefined;
    const begun = this.#load(name).finally(() => this.#loading.delete(name));
    this.#loading.set(name, begun);
    return begun;
  }

  async #load(name: string): Promise<SecureContext | undefined> {
    try {
      const pair = await this.#options.store.read(name);
      if (pair !== undefined && pair !== 'unchanged') {
        const context = this.#contextOf(pair);
        this.#absent.delete(name);
        this.#complain(name, pair.complaints.join('; '));
        this.#loaded.set(name, { pair, context, checkedMs: this.#options.clock.monotonicMs(), goneMs: undefined });
        this.#trim(this.#loaded, this.#options.namesMax);
        return context;
      }
    } catch (error) {
      this.#complain(name, messageOf(error));
    }
    this.#absent.delete(name);
    this.#absent.set(name, this.#options.clock.monotonicMs() + absentMs);
    this.#trim(this.#absent, absentMax);
    return undefined;
  }

  /** Takes up what has changed on disk. What cannot be used leaves the last one in use. */
  async #check(name: string, loaded: Loaded): Promise<void> {
    try {
      const { clock } = this.#options;
      const pair = await this.#options.store.read(name, loaded.pair.stamp);
      if (pair === undefined) {
        const goneMs = clock.monotonicMs();
        loaded.goneMs ??= goneMs;
        if (goneMs - loaded.goneMs < goneMsMax) return;
        this.#loaded.delete(name);
        this.#complain(name, 'it is gone: who asks for this name gets that of its wildcard, or none');
        return;
      }
      loaded.goneMs = undefined;
      if (pair === 'unchanged') return;
      const nowMs = clock.now().getTime();
      if (pair.validToMs <= nowMs && loaded.pair.validToMs > nowMs) {
        this.#complain(name, `the last certificate stays in use: ${pair.complaints.join('; ')}`);
        return;
      }
      loaded.context = this.#contextOf(pair);
      loaded.pair = pair;
      this.#complain(name, pair.complaints.join('; '));
      this.#options.logger.info({ certificate: name, validTo: new Date(pair.validToMs) }, 'certificate changed: new connections use it');
    } catch (error) {
      this.#complain(name, `the last certificate stays in use: ${messageOf(error)}`);
    }
  }

  #contextOf({ cert, key }: KeyPair): SecureContext {
    return createSecureContext({ ...this.#options.common, cert, key });
  }

  #complain(name: string, complaint: string): void {
    if ((this.#complaints.get(name) ?? '') === complaint) return;
    this.#complaints.delete(name);
    if (complaint === '') return;
    this.#complaints.set(name, complaint);
    this.#trim(this.#complaints, complaintsMax);
    this.#options.logger.warn({ certificate: name, complaint }, 'certificate needs attention');
  }

  #trim(map: Map<string, unknown>, sizeMax: number): void {
    for (const oldest of map.keys()) {
      if (map.size <= sizeMax) return;
      map.delete(oldest);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
