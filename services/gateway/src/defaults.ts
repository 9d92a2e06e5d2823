// The gateway's defaults, each with its reason, in one place.

/** How long things may take, in milliseconds. Tests make them small; nobody else has had a reason to. */
export interface Timeouts {
  /** From the first byte of a request to the end of its head, and for what is before it, a PROXY header or a handshake: a browser needs one packet. */
  readonly headMs: number;
  /** Between two pieces of a request body. */
  readonly bodyIdleMs: number;
  /** To a connection with an endpoint, which is near. */
  readonly connectMs: number;
  /** From the end of the request to the first byte of the answer: slow reports, not hung workers. */
  readonly firstByteMs: number;
  /** Between two pieces of an answer or of a tunnel, in either direction: above the keep-alive of event streams. */
  readonly streamIdleMs: number;
  /** A client's idle connection: longer than load balancers in front keep theirs. */
  readonly keepAliveMs: number;
  /** An endpoint's idle connection: below the 5 s of Node's own server. An answer with `Keep-Alive: timeout` moves it. */
  readonly upstreamKeepAliveMs: number;
  /** In flight at a drain; what is left then is cut. */
  readonly drainMs: number;
  /** Reading the rest of a refused body, so that the client sees the answer and not a reset. */
  readonly lingerMs: number;
  /** A request for an unknown host while the routes are not in sync. */
  readonly resolveMs: number;
  /** A gateway that takes over from another, to know all that the registry does; then it serves what is on disk. */
  readonly inSyncMs: number;
  /** A key of session tickets: whoever gets hold of one can read what was sent with its tickets, and each change costs every client a handshake. */
  readonly ticketKeyMs: number;
}

export const defaultTimeouts: Timeouts = {
  headMs: 10_000,
  bodyIdleMs: 30_000,
  connectMs: 1_000,
  firstByteMs: 30_000,
  streamIdleMs: 300_000,
  keepAliveMs: 75_000,
  upstreamKeepAliveMs: 4_000,
  drainMs: 30_000,
  lingerMs: 2_000,
  resolveMs: 1_000,
  inSyncMs: 10_000,
  ticketKeyMs: 12 * 60 * 60 * 1_000,
};

/** How large things may be. */
export interface Limits {
  readonly headBytesMax: number;
  readonly headerLinesMax: number;
  readonly targetBytesMax: number;
  /** A request body where the tenant's plan does not say; 0: none. */
  readonly bodyBytesMax: number;
  /** A request body that comes more slowly has as long as one that does not come at all: the worst of mobile networks is above it. */
  readonly bodyBytesPerSecondMin: number;
  /** Open at once, over all workers; each has an even part. At most half of the files of the process: `adapters/open-files.ts`. */
  readonly clientConnectionsMax: number;
  readonly tunnelsPerTenantMax: number;
  /** To one endpoint. */
  readonly upstreamConnectionsMax: number;
  /** Requests that wait for one of these. */
  readonly upstreamWaitingMax: number;
  /** Of a refused body that is read to its end. */
  readonly lingerBytesMax: number;
  /** Names whose certificates are kept ready. */
  readonly certificatesMax: number;
}

export const defaultLimits: Limits = {
  headBytesMax: 16 * 1024,
  headerLinesMax: 100,
  targetBytesMax: 8 * 1024,
  bodyBytesMax: 1024 * 1024 * 1024,
  bodyBytesPerSecondMin: 256,
  clientConnectionsMax: 65_536,
  tunnelsPerTenantMax: 1_000,
  upstreamConnectionsMax: 1_024,
  upstreamWaitingMax: 1_024,
  lingerBytesMax: 1024 * 1024,
  certificatesMax: 2_000,
};

/** What a process gives its drain: as long as the engine waits for what is in flight, and a little for the rest. */
export const processDrainMs: number = defaultTimeouts.drainMs + 5_000;
