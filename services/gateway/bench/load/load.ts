// What is sent through a proxy to measure it.

/** The proxy that is measured. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** It is asked over TLS. Default false. */
  readonly secure?: boolean;
  /** How many tenants it serves: every one is asked for, at random. */
  readonly hosts: number;
}

export interface Sent {
  /** How many were answered. */
  readonly count: number;
  readonly seconds: number;
  /** What was not as it should be, in words such as `3 refused`. */
  readonly failures: readonly string[];
  /** Where the rate is fixed: from a request to its answer. At full load they would only say how many wait. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

export interface Load {
  /** Who answers behind the proxies. */
  readonly app: 'web' | 'echo';
  /** What is counted. */
  readonly unit: 'request' | 'message';
  send(target: Target, seconds: number): Promise<Sent>;
}

/** Kept by every load at once. */
export const connections = 64;
