// The error catalogue: every error that Burgage gives anyone, with its statuses and whose fault it is.

/** The gRPC status names that the catalogue uses; the numbers are gRPC's own. */
export const grpcStatus = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  CANCELLED: 1,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof grpcStatus;

/** Whose fault an error is: the caller's, the tenant's app's, or the platform's. */
export type Blame = 'caller' | 'app' | 'platform';

interface ErrorDefinition {
  readonly grpc: GrpcStatusName;
  readonly http: number;
  /** The same call may succeed later without anybody changing anything. */
  readonly retry: boolean;
  readonly blame: Blame;
  /** One sentence that anyone may read. */
  readonly sentence: string;
  /** What the reader can do about it. */
  readonly advice: string;
}

const caller = { retry: false, blame: 'caller' } as const;
const platform = { blame: 'platform' } as const;

/** Code -> definition. The code is what programs compare; it never changes its meaning. */
export const errorCatalogue = {
  // What the caller sent.
  invalid_argument: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'A field of the request is not valid.', advice: 'Correct the fields that the error names.' },
  malformed_body: { ...caller, grpc: 'INVALID_ARGUMENT', http: 400, sentence: 'The request body cannot be read.', advice: 'Send valid JSON with the Content-Type application/json.' },
  unknown_plan: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The catalog has no such plan.', advice: 'Use one of the plans that the error lists.' },
  slug_taken: { ...caller, grpc: 'ALREADY_EXISTS', http: 409, sentence: 'The slug belongs to another tenant.', advice: 'Choose another slug, or leave it out and one is made from the company name.' },
  slug_reserved: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The slug is reserved for the platform.', advice: 'Choose another slug.' },
  slug_invalid: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The slug is not valid.', advice: 'Use 3 to 40 lower-case letters, digits and hyphens; no hyphen first, last or twice in a row.' },
  invalid_page_token: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The page token is not one that this list gave.', advice: 'Start again without a page token.' },
  idempotency_key_reused: { ...caller, grpc: 'ALREADY_EXISTS', http: 409, sentence: 'The idempotency key was used before with another body.', advice: 'Use a new key for a new request, or send the first body again.' },
  unauthenticated: { ...caller, grpc: 'UNAUTHENTICATED', http: 401, sentence: 'The request carries no valid token.', advice: 'Send Authorization: Bearer with the token from the file that npm start names.' },
  permission_denied: { ...caller, grpc: 'PERMISSION_DENIED', http: 403, sentence: 'The token does not allow this.', advice: 'Ask an operator for a token with the role that this needs.' },
  not_found: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'There is nothing at this address.', advice: 'Check the address; /v1/openapi.json lists all.' },
  method_not_allowed: { ...caller, grpc: 'UNIMPLEMENTED', http: 405, sentence: 'This address does not take that method.', advice: 'Use one of the methods in the Allow header.' },
  unsupported_media_type: { ...caller, grpc: 'INVALID_ARGUMENT', http: 415, sentence: 'The body has a type that is not read here.', advice: 'Send the Content-Type application/json.' },
  body_too_large: { ...caller, grpc: 'RESOURCE_EXHAUSTED', http: 413, sentence: 'The request body is larger than allowed.', advice: 'Send less at once.' },
  tenant_not_found: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'There is no such tenant.', advice: 'burgage tenants list shows those that exist.' },
  operation_not_found: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'There is no such operation.', advice: 'burgage operations list shows those that exist.' },
  upstream_not_found: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'There is no such upstream.', advice: 'Check its name.' },
  gateway_not_found: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'No such gateway is connected.', advice: 'burgage gateways list shows those that are.' },
  snapshot_not_held: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'The gateway holds no snapshot back.', advice: 'Nothing: it goes on by itself; burgage gateways list shows how far it is.' },
  no_gateway: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'No gateway is connected to the registry.', advice: 'Start one, or wait until it has connected; burgage gateways list shows those that are.' },
  transition_not_allowed: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'The tenant is not in a state that allows this.', advice: 'The error names the state and what it allows.' },
  cancel_too_late: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'The operation can no longer be cancelled.', advice: 'Wait for its end; burgage operations get shows the step from which on it only goes forward.' },
  operation_cancelled: { ...caller, grpc: 'ABORTED', http: 409, sentence: 'The operation was cancelled.', advice: 'Everything that it had done has been undone; ask again if it should be done after all.' },
  retry_not_possible: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'The operation has nothing to try again.', advice: 'burgage operations get shows where it is; ask for a new operation once it has ended.' },
  confirmation_missing: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'What cannot be taken back needs a confirmation.', advice: 'Repeat the call with the confirmation that the error names.' },
  dedicated_off: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'Dedicated instances are switched off on this platform.', advice: 'Every tenant is served by the shared app and database until they are switched on.' },
  version_conflict: { grpc: 'ABORTED', http: 412, retry: true, blame: 'caller', sentence: 'Somebody else changed it in the meantime.', advice: 'Read it again and repeat the change.' },
  already_exists: { ...caller, grpc: 'ALREADY_EXISTS', http: 409, sentence: 'It exists already.', advice: 'Read what is there.' },
  unique_key_taken: { ...caller, grpc: 'ALREADY_EXISTS', http: 409, sentence: 'Another document holds this unique key.', advice: 'Choose another value for the field that the error names.' },
  document_not_found: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'There is no such document.', advice: 'Check the id.' },
  outbox_pending: { ...platform, retry: true, grpc: 'ABORTED', http: 409, sentence: 'What follows from the last change has not been passed on yet.', advice: 'Try again in a few seconds.' },
  fenced: { ...platform, retry: false, grpc: 'ABORTED', http: 409, sentence: 'A later attempt has taken this tenant over.', advice: 'Nothing: the later attempt carries on.' },

  // What an operator configured.
  catalog_invalid: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The catalog has an error.', advice: 'Correct the file at the line that the error names.' },
  command_invalid: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The command line is not valid.', advice: 'Add --help to see what is possible.' },
  config_invalid: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'A setting is not valid.', advice: 'Correct the flag or environment variable that the error names.' },
  route_file_invalid: { ...caller, grpc: 'INVALID_ARGUMENT', http: 422, sentence: 'The route file has an error.', advice: 'Correct the line that the error names.' },
  data_folder_newer: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'The data folder was written by a newer version of Burgage.', advice: 'Start that version, or use another data folder.' },
  data_folder_in_use: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'Another Burgage runs on this data folder.', advice: 'Stop it, or use another folder with --data.' },
  port_taken: { ...caller, grpc: 'FAILED_PRECONDITION', http: 409, sentence: 'The port is in use by another program.', advice: 'Stop that program, or choose another port in the setting that the error names.' },
  not_running: { ...caller, grpc: 'UNAVAILABLE', http: 503, sentence: 'No Burgage runs on this data folder.', advice: 'Start it with npm start, or name its folder with --data.' },

  // What the gateway answers end users with.
  bad_request: { ...caller, grpc: 'INVALID_ARGUMENT', http: 400, sentence: 'The request is not valid HTTP for this server.', advice: 'Check the Host header and the address.' },
  head_too_large: { ...caller, grpc: 'INVALID_ARGUMENT', http: 431, sentence: 'The request head is larger than allowed.', advice: 'Send fewer or shorter headers; deleting the cookies of this address often helps.' },
  target_too_long: { ...caller, grpc: 'INVALID_ARGUMENT', http: 414, sentence: 'The address is longer than allowed.', advice: 'Send what is in the query as a request body.' },
  transfer_coding_unknown: { ...caller, grpc: 'UNIMPLEMENTED', http: 501, sentence: 'The request body has a transfer coding that is not read here.', advice: 'Send it with Content-Length or as chunked.' },
  request_timeout: { ...caller, retry: true, grpc: 'DEADLINE_EXCEEDED', http: 408, sentence: 'The request did not arrive in time.', advice: 'Send it again without long pauses.' },
  routes_unavailable: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'This server does not know any address yet.', advice: 'Try again in a few seconds.' },
  host_unknown: { ...caller, grpc: 'NOT_FOUND', http: 404, sentence: 'Nobody lives at this address.', advice: 'Check the address for typing errors.' },
  tenant_provisioning: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'This address is being set up.', advice: 'Try again in a few seconds.' },
  tenant_failed: { ...platform, retry: false, grpc: 'UNAVAILABLE', http: 503, sentence: 'This address could not be set up.', advice: 'The operator has been told.' },
  tenant_suspended: { ...caller, grpc: 'PERMISSION_DENIED', http: 403, sentence: 'This account is suspended.', advice: 'Contact the operator of this service.' },
  tenant_unpaid: { ...caller, grpc: 'PERMISSION_DENIED', http: 402, sentence: 'This account has an unpaid invoice.', advice: 'The owner of the account can pay it and go on at once.' },
  tenant_trial_ended: { ...caller, grpc: 'PERMISSION_DENIED', http: 402, sentence: 'The trial of this account has ended.', advice: 'The owner of the account can choose a plan and go on at once.' },
  tenant_moving: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'This account is being moved.', advice: 'Try again in a few seconds; nothing is lost.' },
  tenant_closing: { ...caller, grpc: 'PERMISSION_DENIED', http: 403, sentence: 'This account is being closed.', advice: 'Contact the operator of this service; until its data are removed it can be opened again.' },
  tenant_gone: { ...caller, grpc: 'NOT_FOUND', http: 410, sentence: 'This account was closed.', advice: 'Nothing: it is gone for good.' },
  rate_limited: { grpc: 'RESOURCE_EXHAUSTED', http: 429, retry: true, blame: 'caller', sentence: 'Too many requests for this account at once.', advice: 'Wait as long as Retry-After says.' },
  overloaded: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'The server has more requests than it can serve.', advice: 'Wait as long as Retry-After says; accounts with the most requests are refused first.' },
  concurrency_limited: { grpc: 'RESOURCE_EXHAUSTED', http: 429, retry: true, blame: 'caller', sentence: 'Too many requests of this account are in flight.', advice: 'Wait for some to finish.' },
  no_endpoint: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'The application is not running at the moment.', advice: 'Try again in a few seconds.' },
  app_busy: { retry: true, blame: 'app', grpc: 'UNAVAILABLE', http: 503, sentence: 'The application has as many requests as it takes at once.', advice: 'Wait as long as Retry-After says.' },
  upstream_unreachable: { retry: true, blame: 'app', grpc: 'UNAVAILABLE', http: 502, sentence: 'The application did not accept the connection.', advice: 'Try again in a few seconds.' },
  upstream_failed: { retry: false, blame: 'app', grpc: 'UNAVAILABLE', http: 502, sentence: 'The application broke off its answer.', advice: 'Check whether the action was carried out before you repeat it.' },
  upstream_timeout: { retry: false, blame: 'app', grpc: 'DEADLINE_EXCEEDED', http: 504, sentence: 'The application did not answer in time.', advice: 'Check whether the action was carried out before you repeat it.' },
  draining: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'The server is about to restart.', advice: 'Try again in a few seconds.' },
  misdirected: { ...caller, grpc: 'FAILED_PRECONDITION', http: 421, sentence: 'The request belongs to another tenant.', advice: 'Send it to the address of its own tenant.' },

  // What went wrong between and beneath the services.
  document_too_new: { ...platform, retry: false, grpc: 'FAILED_PRECONDITION', http: 500, sentence: 'Stored data was written by a newer version of Burgage.', advice: 'Start that version; nothing was changed.' },
  step_failed: { ...platform, retry: false, grpc: 'FAILED_PRECONDITION', http: 500, sentence: 'A step of the operation failed for good.', advice: 'The operation shows the step and its error.' },
  app_unhealthy: { retry: true, blame: 'app', grpc: 'UNAVAILABLE', http: 502, sentence: 'The application did not become healthy for this tenant.', advice: 'Look at the log of the application.' },
  app_refused: { retry: false, blame: 'app', grpc: 'FAILED_PRECONDITION', http: 502, sentence: 'The application refused a request of the platform.', advice: 'Look at the log of the application.' },
  unavailable: { ...platform, retry: true, grpc: 'UNAVAILABLE', http: 503, sentence: 'A service that this needs is not reachable.', advice: 'Try again in a few seconds.' },
  credentials_refused: { ...platform, retry: false, grpc: 'FAILED_PRECONDITION', http: 503, sentence: 'A server that this needs refuses the credentials.', advice: 'Correct user and password in the address of the server that the message names.' },
  server_too_old: { ...platform, retry: false, grpc: 'FAILED_PRECONDITION', http: 503, sentence: 'A server that this needs is too old.', advice: 'Install the version that the message names, or a later one.' },
  event_unknown: { ...platform, retry: false, grpc: 'FAILED_PRECONDITION', http: 500, sentence: 'An event has a type or version that is not known here.', advice: 'Update this service, then replay the dead letter.' },
  deadline_exceeded: { ...platform, retry: true, grpc: 'DEADLINE_EXCEEDED', http: 504, sentence: 'It took longer than the caller was ready to wait.', advice: 'Try again; a change that was begun is not made twice.' },
  cancelled: { grpc: 'CANCELLED', http: 499, retry: false, blame: 'caller', sentence: 'The caller went away.', advice: 'Nothing.' },
  copy_differs: { ...platform, retry: false, grpc: 'DATA_LOSS', http: 500, sentence: 'A copy is not what it was made from.', advice: 'Nothing was removed; the message names the table.' },
  disk_full: { ...platform, retry: false, grpc: 'RESOURCE_EXHAUSTED', http: 507, sentence: 'There is no room left on the disk.', advice: 'Make room, then ask again.' },
  data_corrupt: { ...platform, retry: false, grpc: 'DATA_LOSS', http: 500, sentence: 'Stored data is damaged.', advice: 'Restore it from a backup; the message names the file.' },
  internal: { ...platform, retry: false, grpc: 'INTERNAL', http: 500, sentence: 'Something went wrong inside Burgage.', advice: 'Report it with the request id.' },
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof errorCatalogue;

/** One field that is not valid: where it is, what is wrong, what was expected. */
export interface FieldViolation {
  /** Path in the caller's own terms: `company`, `plans.trial.price`. */
  readonly field: string;
  /** What came and what was expected, in one sentence without a full stop. */
  readonly description: string;
}

export interface ErrorDetails {
  /** One public sentence, more exact than the catalogue's; names what came and what was expected. */
  readonly message?: string;
  readonly fields?: readonly FieldViolation[];
  /** Machine-readable context; public. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Least time before another try makes sense. */
  readonly retryAfterMs?: number;
  /** For logs only. */
  readonly cause?: unknown;
}

/** An error of the catalogue. Its message, fields and metadata are public; its cause is for logs. */
export class BurgageError extends Error {
  override readonly name = 'BurgageError';
  readonly code: ErrorCode;
  readonly fields: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.message ?? errorCatalogue[code].sentence, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fields = details.fields ?? [];
    this.metadata = details.metadata ?? {};
    this.retryAfterMs = details.retryAfterMs;
  }

  get definition(): ErrorDefinition {
    return errorCatalogue[this.code];
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code);
}

/** An error about one field. */
export function fieldError(code: ErrorCode, field: string, description: string, cause?: unknown): BurgageError {
  return new BurgageError(code, { message: `${field}: ${description}`, fields: [{ field, description }], cause });
}

/** `invalid_argument` for one field. */
export function invalidField(field: string, description: string): BurgageError {
  return fieldError('invalid_argument', field, description);
}

/** True when `error` is of the catalogue, and of one of `codes` where any are given. */
export function isBurgageError(error: unknown, ...codes: ErrorCode[]): error is BurgageError {
  return error instanceof BurgageError && (codes.length === 0 || codes.includes(error.code));
}

/** An unknown thrown value as an error of the catalogue: itself, or `internal` with the value as its cause. */
export function asBurgageError(error: unknown): BurgageError {
  if (error instanceof BurgageError) return error;
  return new BurgageError('internal', { cause: error });
}
