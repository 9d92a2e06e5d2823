// One request's life, shared by every engine: resolve, admit, choose, head, record. What moves bytes is the engine's.
import { type Clock, parseTraceparent } from '@burgage/runtime';
import type { Result } from '@burgage/tenancy';
import { type AccessLines, accessLine, accessLineBytesMax, type LineFacts, LineTimes, putAccessLine } from '../domain/access-line.ts';
import { type Admission, beingMoved, isPermit, standing } from '../domain/admission.ts';
import { type Answer, answerRefusal } from '../domain/answers.ts';
import type { EndpointSet, EndpointState, Outcome } from '../domain/endpoint-set.ts';
import { Exchange, type Peer, type Termination, unheard } from '../domain/exchange.ts';
import { type ForwardFacts, type ResponseFacts, responseHeaders, upgradeHeaders } from '../domain/forward-headers.ts';
import { logShare } from '../domain/log-sample.ts';
import { Piece } from '../domain/put.ts';
import type { RandomPool } from '../domain/random-pool.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { type Head, type HeadLimits, type ReadHead, type RequestHead, readHead } from '../domain/request-head.ts';
import { isReserved } from '../domain/reserved-paths.ts';
import { type FailedAttempt, isRetriable } from '../domain/retry.ts';
import type { ResolvedHost, RouteTable, ServedTenant } from '../domain/route-table.ts';
import { type Meters, otherTenants } from '../domain/tenant-meters.ts';
import type { Upstreams } from '../domain/upstreams.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { Tap } from './tap.ts';
import type { WaitingRoom } from './waiting-room.ts';

export interface TrafficOptions {
  /** The table to answer by, now. */
  readonly table: () => RouteTable;
  /** What to answer where the table knows nothing: final, a question to the registry that may find no answer, or that there is no table yet. */
  readonly onMiss: (host: string) => 'final' | 'no-table' | Promise<ResolvedHost | undefined>;
  readonly admission: Admission;
  /** Where requests wait for the end of their tenant's move. */
  readonly waitingRoom: WaitingRoom;
  readonly upstreams: Upstreams;
  /** The signed tenant context, where the tenant's app gets one. */
  readonly contextFor: (tenant: ServedTenant) => string | Promise<string> | undefined;
  readonly meters: Meters;
  readonly metrics: GatewayMetrics;
  /** Takes lines of the access log, where there is one. */
  readonly log: AccessLines | undefined;
  /** Of ordinary requests, the share that the log has; 0 to 1. */
  readonly logShare: number;
  /** Who listens to requests as they end. */
  readonly tap: Tap;
  readonly clock: Clock;
  readonly random: RandomPool;
  readonly limits: HeadLimits;
  /** Cookies of tenants for this domain are taken off; empty: none are. */
  readonly baseDomain: string;
}

/** Of a traceparent. */
const sampled = 1;
const spanIdBytes = 8;
const requestIdBytes = 16;

/** A request that may go to its tenant's app. */
export interface Admitted {
  readonly tenant: ServedTenant;
  /** The endpoints as the request found them: a change meanwhile is for the next. */
  readonly set: EndpointSet;
  /** What its head says upstream besides what the client said; the same for every attempt. */
  readonly facts: ForwardFacts;
  /** The largest body, in bytes; 0: any. */
  readonly bodyBytesMax: number;
}

/** One try at one endpoint. */
export class Attempt {
  readonly endpoint: EndpointState;
  /** From 0. */
  readonly number: number;
  readonly #traffic: TrafficOptions;
  readonly #set: EndpointSet;
  #ended = false;

  constructor(traffic: TrafficOptions, set: EndpointSet, endpoint: EndpointState, number: number) {
    this.#traffic = traffic;
    this.#set = set;
    this.endpoint = endpoint;
    this.number = number;
    set.begin(endpoint, number > 0);
  }

  get address(): string {
    return this.endpoint.address;
  }

  /** Says what became of it. Once: what is said later is of no interest. */
  end(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    const { metrics, upstreams, clock } = this.#traffic;
    if (this.#set.note(this.endpoint, outcome, clock)) metrics.ejections.inc();
    upstreams.ended(this.#set, this.endpoint, this.number > 0);
  }
}

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #lineTimes: LineTimes;
  readonly #draw = (): number => this.#options.random.float();
  #draining = false;
  #takesUpgrades = true;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#lineTimes = new LineTimes(options.clock);
  }

  /** From now on answers close their connections; what would live long is refused where it would end too soon. */
  startDraining(upgrades: 'refused' | 'taken' = 'refused'): void {
    this.#draining = true;
    this.#takesUpgrades = upgrades === 'taken';
  }

  get draining(): boolean {
    return this.#draining;
  }

  now(): Date {
    return this.#options.clock.now();
  }

  nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  /** What the head says, or why it is not served; nothing that follows such a head on its connection may be. */
  read(head: RequestHead): Result<ReadHead, Refusal> {
    return readHead(head, this.#options.limits);
  }

  /** A request whose turn has come; `nowMs`: when its head had. Every exchange is finished once, whatever becomes of it. */
  open(head: Head, peer: Peer, nowMs: number = this.nowMs()): Exchange {
    this.#options.metrics.inflight.inc();
    return new Exchange(this.#options.random.hex(requestIdBytes), head, peer, nowMs);
  }

  /**
   * Finds the tenant and lets the request in, or says why not: at once, unless something has to be waited for. One that is
   * being moved is waited for, a moment.
   */
  admit(exchange: Exchange, read: ReadHead): Admitted | Refusal | Promise<Admitted | Refusal> {
    const { table, onMiss } = this.#options;
    exchange.read = read;
    if (!this.#takesUpgrades && read.upgrade !== undefined) return refuse('draining', { retryAfterMs: 1_000 });
    // Certificates are by name, and clients send what is for one server on a connection to another (RFC 9110 section 15.5.20).
    const { peer } = exchange;
    if (peer.serverName !== undefined && peer.serverName !== read.host) {
      if (peer.serverName !== unheard) return refuse('misdirected');
      peer.serverName = read.host;
    }
    if (isReserved(read.path)) return refuse('not_found');
    const known = table();
    const tenant = known.tenantAt(read.host);
    // It is no later than when it came.
    if (tenant !== undefined) return this.#enter(exchange, read, tenant, known, exchange.startedMs);
    const miss = onMiss(read.host);
    if (miss === 'final') return refuse('host_unknown');
    // Nobody can be called unknown by a gateway that does not know.
    if (miss === 'no-table') return refuse('routes_unavailable', { retryAfterMs: 1_000 });
    return miss.then((found) => {
      if (found === undefined) return refuse('routes_unavailable', { retryAfterMs: 1_000 });
      const { tenant: late, table: answered } = found;
      return late === undefined ? refuse('host_unknown') : this.#enter(exchange, read, late, answered, this.nowMs());
    });
  }

  #enter(
    exchange: Exchange,
    read: ReadHead,
    tenant: ServedTenant,
    table: RouteTable,
    nowMs: number,
  ): Admitted | Refusal | Promise<Admitted | Refusal> {
    const { admission, meters } = this.#options;
    exchange.tenant = tenant;
    const meter = meters.count(tenant);
    exchange.meter = meter;
    const permit = admission.admit(tenant, meter, nowMs);
    if (!isPermit(permit)) return permit;
    exchange.permit = permit;
    const bodyBytesMax = admission.bodyBytesMax(tenant);
    const { body } = read;
    if (body.kind === 'length' && bodyBytesMax > 0 && body.bytes > bodyBytesMax) return bodyTooLarge(bodyBytesMax);
    if (tenant.moving) return this.#waitForMove(exchange, read, tenant, bodyBytesMax);
    return this.#equip(exchange, read, tenant, table, bodyBytesMax);
  }

  async #waitForMove(
    exchange: Exchange,
    read: ReadHead,
    { number, tenantId }: ServedTenant,
    bodyBytesMax: number,
  ): Promise<Admitted | Refusal> {
    const refusal = await this.#options.waitingRoom.wait(tenantId, exchange);
    if (refusal !== undefined) return refusal;
    const table = this.#options.table();
    const tenant = table.tenantAt(read.host);
    if (tenant?.number !== number) return beingMoved();
    exchange.tenant = tenant;
    return standing(tenant) ?? this.#equip(exchange, read, tenant, table, bodyBytesMax);
  }

  #equip(exchange: Exchange, read: ReadHead, tenant: ServedTenant, table: RouteTable, bodyBytesMax: number): Admitted | Promise<Admitted> {
    // Both of this moment: a token names the upstream that it is for.
    const set = this.#options.upstreams.set(tenant.upstream, table.endpoints(tenant.upstream) ?? []);
    exchange.isolation = tenant.isolation;
    const context = this.#options.contextFor(tenant);
    const equipped = (token: string | undefined): Admitted => {
      return { tenant, set, facts: this.#facts(exchange, read, token), bodyBytesMax };
    };
    return typeof context === 'object' ? context.then(equipped) : equipped(context);
  }

  /** Chooses an endpoint and counts the attempt against it; `except` is the one that just failed. */
  attempt(exchange: Exchange, { set, tenant }: Admitted, except?: EndpointState): Attempt | Refusal {
    const endpoint = set.choose(this.#options.clock, this.#draw, except);
    if (endpoint === undefined)
      return refuse('no_endpoint', { retryAfterMs: 1_000, detail: `the upstream ${tenant.upstream} has no endpoint` });
    const number = exchange.attempts;
    if (number > 0) this.#options.metrics.retries.inc();
    exchange.attempts += 1;
    exchange.endpoint = endpoint;
    return new Attempt(this.#options, set, endpoint, number);
  }

  /**
   * Where the request may go after this failure: to another endpoint; or, where there is no other, to the same one `again` on a
   * new connection, if it was only an old one that had died.
   */
  retry(failed: FailedAttempt, { set }: Admitted): 'elsewhere' | 'again' | undefined {
    if (!isRetriable(failed)) return undefined;
    // That kept connections have died, often all of an age at once, says nothing of the endpoint: the budget is not for that.
    if (!failed.sent && !set.mayRetry()) return undefined;
    if (set.endpoints.length > 1) return 'elsewhere';
    return failed.sent ? 'again' : undefined;
  }

  /** The head of an answer from the app, for the client. */
  responseHead(exchange: Exchange, status: number, rawHeaders: readonly string[]): string[] {
    const { headers, cookiesDropped } = responseHeaders(rawHeaders, this.responseFacts(exchange, status));
    this.countCookies(exchange, cookiesDropped);
    return headers;
  }

  /** The head of a 101 from the app, for the client. */
  upgradeHead(exchange: Exchange, rawHeaders: readonly string[], protocol: string): string[] {
    const { headers, cookiesDropped } = upgradeHeaders(rawHeaders, protocol, this.responseFacts(exchange, 101));
    this.countCookies(exchange, cookiesDropped);
    return headers;
  }

  /** The endpoint changed protocols: from now on the exchange is a tunnel, unless its tenant has too many. */
  becomeTunnel(exchange: Exchange): Refusal | undefined {
    const refusal = exchange.permit?.becomeTunnel();
    if (refusal !== undefined) return refusal;
    exchange.status = 101;
    exchange.firstByteMs = this.nowMs();
    this.#options.metrics.inflight.dec();
    this.#options.metrics.tunnels.inc();
    return undefined;
  }

  /** The gateway's own answer, noted in the exchange. */
  answer(exchange: Exchange, refusal: Refusal): Answer {
    const answer = answerRefusal(refusal, {
      accept: exchange.head.field('accept'),
      requestId: exchange.requestId,
      branding: exchange.tenant?.branding,
    });
    exchange.status = answer.status;
    exchange.code = refusal.code;
    if (refusal.detail !== undefined) exchange.detail = refusal.detail;
    this.#options.metrics.refusals.inc({ code: refusal.code });
    return answer;
  }

  /** The end of an exchange, also of one that waits to be let in: gives its place back, logs and counts it. */
  finish(exchange: Exchange, termination: Termination): void {
    const { metrics, log, tap, waitingRoom } = this.#options;
    const wasTunnel = exchange.status === 101;
    exchange.permit?.release();
    if (exchange.waiting !== undefined) waitingRoom.leave(exchange);
    if (wasTunnel) metrics.tunnels.dec();
    else metrics.inflight.dec();
    const nowMs = this.nowMs();
    const { meter } = exchange;
    if (meter !== undefined) meter.bytes += exchange.bytesIn + exchange.bytesOut;
    const series = meter?.series ?? metrics.requests.of(otherTenants);
    series.count(exchange.status);
    // The age of a tunnel is no answer's duration.
    if (!wasTunnel) series.observe((nowMs - exchange.startedMs) / 1000);
    metrics.terminations.of(termination).inc();
    metrics.bytes.of('in').inc(exchange.bytesIn);
    metrics.bytes.of('out').inc(exchange.bytesOut);
    if (log !== undefined) this.#log(exchange, termination, nowMs, log);
    if (tap.isOpen) this.#show(exchange, termination, nowMs);
  }

  /** Apart from `finish`, which would otherwise make what the function closes over with every request. */
  #show(exchange: Exchange, termination: Termination, nowMs: number): void {
    this.#options.tap.show(exchange, () => accessLine(exchange, this.#lineFacts(termination, nowMs, 1)));
  }

  #log(exchange: Exchange, termination: Termination, nowMs: number, log: AccessLines): void {
    const share = logShare(exchange, termination, nowMs, this.#options.logShare);
    const room = share === 0 ? undefined : log.room(accessLineBytesMax(exchange));
    if (room !== undefined) putAccessLine(room, exchange, this.#lineFacts(termination, nowMs, share));
  }

  #lineFacts(termination: Termination, nowMs: number, sample: number): LineFacts {
    return { termination, time: this.#lineTimes.at(nowMs), nowMs, sample };
  }

  #facts(exchange: Exchange, read: ReadHead, context: string | undefined): ForwardFacts {
    const { head, peer, id } = exchange;
    const { random } = this.#options;
    const parent = head.field('traceparent');
    const traced = parent === undefined ? undefined : parseTraceparent(parent);
    // A trace that begins here is found by the id of its first request.
    const traceId = traced === undefined ? id : Piece.of(traced.traceId);
    exchange.traceId = traceId;
    return {
      authority: read.authority,
      clientAddress: peer.address,
      scheme: peer.scheme,
      requestId: id,
      traceId,
      spanId: random.hex(spanIdBytes),
      traceFlags: traced === undefined ? sampled : traced.flags,
      keepsTracestate: traced !== undefined,
      contentLength: read.body.kind === 'length' ? read.body.bytes : undefined,
      context,
    };
  }

  /** What the head of an answer is written with. */
  responseFacts({ id, tenant }: Exchange, status: number): ResponseFacts {
    return { requestId: id, status, baseDomain: tenant?.platform ? '' : this.#options.baseDomain };
  }

  /** Counts cookies that were taken off an answer. */
  countCookies(exchange: Exchange, dropped: number): void {
    if (dropped === 0) return;
    exchange.cookiesDropped += dropped;
    this.#options.metrics.cookiesDropped.inc(dropped);
  }
}

export function bodyTooLarge(bytesMax: number): Refusal {
  return refuse('body_too_large', { close: true, detail: `at most ${bytesMax} bytes are taken` });
}

export function isRefusal(outcome: object): outcome is Refusal {
  return 'code' in outcome;
}
