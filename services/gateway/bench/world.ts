// What all contestants of a measurement stand in: their hosts and tenants, and the app behind them.

export interface World {
  /** As many tenants, with a host each. */
  readonly hosts: number;
  readonly limits: Limits;
  /** host:port of the app of all tenants. */
  readonly backend: string;
  /** host:port of a server that takes the log of who writes no files: lines over TCP. */
  readonly logServer: string;
  /** For files that a contestant reads. */
  readonly folder: string;
  /** What they serve TLS with, in versions 1.3 of it and 1.1 and 2 of HTTP, and nothing else; absent: everything is in the clear. */
  readonly tls: TlsPair | undefined;
  /** Whether the app is told its tenant by a signed token, which only we can do. */
  readonly tenantContexts: boolean;
}

/** Files in PEM. */
export interface TlsPair {
  readonly certFile: string;
  readonly keyFile: string;
  /** The name that the certificate is for. */
  readonly name: string;
}

/** Of every tenant; as many requests as a second may have may come at once. */
export interface Limits {
  readonly requestsPerSecond: number;
  readonly concurrency: number;
  readonly bodyBytesMax: number;
}

/** There, so that they are looked after, and so high that none is reached. */
export const highLimits: Limits = { requestsPerSecond: 1_000_000, concurrency: 10_000, bodyBytesMax: 10 * 1024 * 1024 };

export const domain = 'bench.test';

export function hostName(number: number): string {
  return `t${String(number).padStart(7, '0')}.${domain}`;
}

export function tenantId(number: number): string {
  return `ten_01JD3Q8Z6V7K4M2N9P${String(number).padStart(8, '0')}`;
}

const linesAtOnce = 10_000;

/** A line for each number below `count`, in pieces of a size that is quickly written to a file. */
export function* linesFor(count: number, line: (number: number) => string): Generator<string> {
  for (let first = 0; first < count; first += linesAtOnce) {
    yield Array.from({ length: Math.min(linesAtOnce, count - first) }, (_, index) => `${line(first + index)}\n`).join('');
  }
}
