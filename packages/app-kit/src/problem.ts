// The errors that app-kit answers with: one table of codes, and how one becomes application/problem+json (RFC 9457).

const problems = {
  malformed_body: { status: 400, title: 'The request body cannot be read.' },
  unauthenticated: { status: 401, title: 'The request carries no valid token.' },
  permission_denied: { status: 403, title: 'This is not allowed.' },
  not_found: { status: 404, title: 'There is nothing at this address.' },
  method_not_allowed: { status: 405, title: 'This address does not take that method.' },
  transition_not_allowed: { status: 409, title: 'The tenant is not in a state that allows this.' },
  already_exists: { status: 409, title: 'It exists already.' },
  fenced: { status: 409, title: 'A later attempt has taken this tenant over.' },
  body_too_large: { status: 413, title: 'The request body is larger than allowed.' },
  unsupported_media_type: { status: 415, title: 'The body has a type that is not read here.' },
  misdirected: { status: 421, title: 'The request belongs to another tenant.' },
  invalid_argument: { status: 422, title: 'A field of the request is not valid.' },
  rate_limited: { status: 429, title: 'Too many attempts.' },
  tenant_not_prepared: { status: 503, title: 'This tenant has not been set up here.' },
  tenant_moving: { status: 503, title: 'This account is being moved. Try again in a few seconds; nothing is lost.' },
  unavailable: { status: 503, title: 'A service that this needs is not reachable.' },
  disk_full: { status: 507, title: 'There is no room left on the disk.' },
  internal: { status: 500, title: 'Something went wrong inside the application.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** One field that is not valid: where it is, and what came and what was expected. */
export interface ProblemField {
  readonly field: string;
  readonly description: string;
}

/** An error with a code of the table above. Message, fields and metadata are public; the cause is for logs. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  readonly fields: readonly ProblemField[];
  /** What a program may want to know beside the code. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Least time before another try makes sense. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    details: {
      message?: string;
      fields?: readonly ProblemField[];
      metadata?: Readonly<Record<string, string>>;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(details.message ?? problems[code].title, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fields = details.fields ?? [];
    this.metadata = details.metadata ?? {};
    this.retryAfterSeconds = details.retryAfterSeconds ?? (this.status === 503 ? 1 : undefined);
  }

  get status(): number {
    return problems[this.code].status;
  }
}

/** `invalid_argument` for one field. */
export function invalidField(field: string, description: string, cause?: unknown): ProblemError {
  return new ProblemError('invalid_argument', { message: `${field}: ${description}`, fields: [{ field, description }], cause });
}

/** The public members of a problem, as RFC 9457 names them, with our `code`, `fields` and `metadata` beside them. */
export interface ProblemBody {
  /** The code as a URI, the same everywhere in Burgage. */
  type: `urn:burgage:error:${ProblemCode}`;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  fields?: readonly ProblemField[];
  metadata?: Readonly<Record<string, string>>;
}

/** Any thrown value as a problem: a ProblemError as it is, everything else as `internal`, which tells nothing. */
export function problemBody(error: unknown): ProblemBody {
  const problem = error instanceof ProblemError ? error : new ProblemError('internal');
  const { status, title } = problems[problem.code];
  return {
    type: `urn:burgage:error:${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    ...(problem.fields.length > 0 && { fields: problem.fields }),
    ...(Object.keys(problem.metadata).length > 0 && { metadata: problem.metadata }),
  };
}

/** The headers that go with `problemBody` of the same value. */
export function problemHeaders(error: unknown): Record<string, string> {
  const { status = 500, retryAfterSeconds } = error instanceof ProblemError ? error : {};
  return {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
  };
}

/** Any thrown value as an HTTP answer. */
export function problemResponse(error: unknown): Response {
  const body = problemBody(error);
  return new Response(JSON.stringify(body), { status: body.status, headers: problemHeaders(error) });
}
