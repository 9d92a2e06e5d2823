// The connection to NATS: kept up for ever, its changes said once each, and whoever has to wait for it let wait.
import { BurgageError } from '@burgage/contracts';
import type { Clock, Logger, Random } from '@burgage/runtime';
import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { closedError } from '../checks.ts';
import type { NatsAddress } from './address.ts';
import { asConnectError, noJetStream } from './faults.ts';

/** PEM files. */
export interface NatsTls {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface LinkOptions {
  readonly address: NatsAddress;
  readonly name: string;
  readonly tls: NatsTls | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger | undefined;
}

/** 2.10 is the first with several filters for one consumer. */
const versionMin = [2, 10, 0] as const;
const connectTimeoutMs = 3_000;
/** A connection that is cut without a word is noticed after three of these. */
const pingIntervalMs = 2_000;
const reconnectDelayMinMs = 50;
const reconnectDelayMaxMs = 2_000;

/** @throws BurgageError `unavailable`, `credentials_refused`, `server_too_old`, `config_invalid` (JetStream is not enabled). */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { address, name, tls, clock, random } = options;
  const { servers, user, password, token } = address;
  let downSinceMs = clock.monotonicMs();
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: [...servers],
      name,
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { pass: password }),
      ...(token === undefined ? {} : { token }),
      ...(tls !== undefined || address.tls ? { tls: { ...tls } } : {}),
      timeout: connectTimeoutMs,
      pingInterval: pingIntervalMs,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      // Credentials may be changed on the server before they are here: not a reason to give up for ever.
      ignoreAuthErrorAbort: true,
      // Half as long as it has been down by now: exponential, whoever asks however often.
      reconnectDelayHandler: () => {
        const halfMs = (clock.monotonicMs() - downSinceMs) / 2;
        return Math.min(reconnectDelayMaxMs, Math.max(reconnectDelayMinMs, halfMs)) * (0.5 + random.float() / 2);
      },
      noAsyncTraces: true,
    });
  } catch (error) {
    throw asConnectError(error, servers);
  }
  try {
    checkServer(connection, servers);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return new Link(connection, options, () => {
    downSinceMs = clock.monotonicMs();
  });
}

function checkServer({ info }: NatsConnection, servers: readonly string[]): void {
  const at = servers.join(', ');
  const version = info?.version ?? 'unknown';
  const numbers = version.split(/[.-]/).map(Number);
  const least = versionMin.join('.');
  const difference = versionMin.map((number, index) => (numbers[index] ?? 0) - number).find((value) => value !== 0) ?? 0;
  if (!(difference >= 0)) {
    throw new BurgageError('server_too_old', {
      message: `The NATS server at ${at} has version ${version}, expected ${least} or later.`,
      metadata: { servers: at, version, versionMin: least },
    });
  }
  if (info?.jetstream !== true) throw noJetStream();
}

export class Link {
  readonly connection: NatsConnection;
  readonly servers: string;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #onDown: () => void;
  readonly #waiting = new Set<AbortController>();
  readonly #listeners = new Set<() => void>();
  readonly #missingRights = new Set<string>();
  #up = true;
  #closing = false;

  constructor(connection: NatsConnection, { address, clock, logger }: LinkOptions, onDown: () => void) {
    this.connection = connection;
    this.servers = address.servers.join(', ');
    this.#clock = clock;
    this.#logger = logger;
    this.#onDown = onDown;
    void this.#follow();
  }

  get up(): boolean {
    return this.#up;
  }

  /** Calls `listener` after each reconnect, until the answer is called. */
  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True as soon as the connection is up; false after `timeoutMs`. */
  async whenUp(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#closing) throw closedError();
    if (this.#up) return true;
    const waiting = new AbortController();
    this.#waiting.add(waiting);
    await this.#clock.sleep(timeoutMs, signal === undefined ? waiting.signal : AbortSignal.any([waiting.signal, signal]));
    this.#waiting.delete(waiting);
    if (this.#closing) throw closedError();
    return this.#up;
  }

  /** Without an answer; lost where the connection is. */
  send(subject: string, data: Uint8Array | string, reply?: string): void {
    if (!this.connection.isClosed()) this.connection.publish(subject, data, reply === undefined ? {} : { reply });
  }

  /** Resolves when the server has seen all that was sent, or after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#up && !this.connection.isClosed())
      await within(
        this.#clock,
        timeoutMs,
        this.connection.flush().catch(() => {}),
      );
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.connection.close();
    this.#wake();
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#down();
      else if (status.type === 'reconnect') this.#again();
      else if (status.type === 'error') this.#report(status.error);
    }
    if (this.#closing) return;
    this.#up = false;
    this.#logger?.error(
      { servers: this.servers, err: await this.connection.closed() },
      'events: the connection to NATS is closed for good',
    );
  }

  /** A right that is missing is said once: what needs it is tried again and again. */
  #report(error: Error): void {
    if (!(error instanceof errors.PermissionViolationError)) {
      this.#logger?.debug({ err: error }, 'events: the NATS server reports an error');
    } else if (!this.#missingRights.has(error.subject)) {
      this.#missingRights.add(error.subject);
      this.#logger?.error({ servers: this.servers, subject: error.subject }, `events: the NATS user lacks a right: ${error.message}`);
    }
  }

  #down(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#onDown();
    if (!this.#closing)
      this.#logger?.warn({ servers: this.servers }, 'events: the connection to NATS is lost; trying again until it is back');
  }

  #again(): void {
    if (this.#up) return;
    this.#up = true;
    this.#logger?.info({ server: this.connection.getServer() }, 'events: connected to NATS again');
    this.#wake();
    for (const listener of this.#listeners) listener();
  }

  #wake(): void {
    for (const waiting of this.#waiting) waiting.abort();
  }
}

/** What `promise` resolves to; undefined after `ms`. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const ended = new AbortController();
  try {
    return await Promise.race([promise, clock.sleep(ms, ended.signal).then(() => undefined)]);
  } finally {
    ended.abort();
  }
}
