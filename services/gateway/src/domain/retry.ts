// Retries: only where nothing can have been acted on.

/** How an attempt to send a request upstream failed. */
export interface FailedAttempt {
  /** 0 for the first. */
  readonly number: number;
  /** The head was handed to a connection. */
  readonly sent: boolean;
  /** That connection had carried a request before. */
  readonly reusedConnection: boolean;
  /** Anything came back. */
  readonly answered: boolean;
  /** Bytes of the body that were read from the client and so cannot be sent again. */
  readonly bodyBytesTaken: number;
  readonly method: string;
  /** It took too long, rather than broke: the endpoint may be at work on it. */
  readonly timedOut: boolean;
}

/** Methods that may be carried out twice (RFC 9110 section 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'QUERY',
  'PROPFIND',
  'SEARCH',
  'REPORT',
]);

/**
 * True where another endpoint may get the same request: at most once; when no connection came about; or when a reused idle
 * connection died before a byte came back and the method is idempotent.
 */
export function isRetriable(attempt: FailedAttempt): boolean {
  if (attempt.number > 0 || attempt.answered || attempt.bodyBytesTaken > 0) return false;
  if (!attempt.sent) return true;
  return attempt.reusedConnection && !attempt.timedOut && idempotentMethods.has(attempt.method);
}
