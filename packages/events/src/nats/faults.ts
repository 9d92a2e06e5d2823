// What went wrong on the server or on the way to it: which of it passes, and as errors of the catalogue.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

/** Error codes of JetStream beyond those that its client names. Source: nats-server, server/errors.json. */
const apiCodes = {
  consumerNameInUse: 10013,
  sequenceNotFound: 10043,
  storageExceeded: 10047,
  messageDeleteFailed: 10057,
  streamNameInUse: 10058,
  wrongLastSequence: 10071,
  consumerExists: 10148,
} as const;

/**
 * Why a request was not done. `missing`: the stream or the consumer is not there · `passing`: the connection, a JetStream
 * that is just starting, another process that was faster; the same request may succeed soon · `final`: it will fail again.
 */
export type Fault = 'missing' | 'passing' | 'final';

export function faultOf(error: unknown): Fault {
  if (isStreamNotFound(error) || isConsumerNotFound(error)) return 'missing';
  // No stream takes the subject, or JetStream is not up yet: making the streams tells which.
  if (isNoResponders(error)) return 'missing';
  if (isMadeByAnother(error)) return 'passing';
  if (error instanceof JetStreamApiError) return error.status === 503 ? 'passing' : 'final';
  if (error instanceof errors.TimeoutError) return 'passing';
  if (error instanceof errors.RequestError && permissionViolation(error) === undefined) return 'passing';
  return 'final';
}

function isApiError(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof JetStreamApiError && codes.includes(error.code);
}

/** The server will not have a stream as it is asked for; room on its disk is another matter. */
export function isRefusal(error: unknown): error is JetStreamApiError {
  return error instanceof JetStreamApiError && faultOf(error) === 'final' && error.code !== apiCodes.storageExceeded;
}

/** Another process made it in the meantime. */
function isMadeByAnother(error: unknown): boolean {
  return isApiError(error, apiCodes.streamNameInUse, apiCodes.consumerExists, apiCodes.consumerNameInUse);
}

/** The subject has a message already, though none was expected. */
export function isTaken(error: unknown): boolean {
  return isApiError(error, apiCodes.wrongLastSequence);
}

/** A message that was to be deleted is deleted. */
export function isMessageGone(error: unknown): boolean {
  return isApiError(error, apiCodes.sequenceNotFound, apiCodes.messageDeleteFailed);
}

export function isStreamNotFound(error: unknown): boolean {
  return isApiError(error, JetStreamApiCodes.StreamNotFound);
}

export function isConsumerNotFound(error: unknown): boolean {
  return isApiError(error, JetStreamApiCodes.ConsumerNotFound);
}

function isNoResponders(error: unknown): boolean {
  return causesOf(error).some((cause) => cause instanceof errors.NoRespondersError);
}

/** `error` as one of the catalogue. `what` was tried: `publish`. */
export function asNatsError(error: unknown, what: string): BurgageError {
  if (isBurgageError(error)) return error;
  const violation = permissionViolation(error);
  if (violation !== undefined) {
    return new BurgageError('credentials_refused', {
      message: `The NATS user may not ${violation.operation === 'subscription' ? 'subscribe' : 'publish'} to ${violation.subject}; docs/nats.md says what it needs.`,
      cause: error,
    });
  }
  if (causesOf(error).some((cause) => isApiError(cause, JetStreamApiCodes.JetStreamNotEnabledForAccount))) return noJetStream(error);
  return new BurgageError('unavailable', { message: `NATS cannot ${what} at the moment: ${textOf(error)}.`, cause: error });
}

export function noJetStream(cause?: unknown): BurgageError {
  return new BurgageError('config_invalid', {
    message:
      'JetStream is not enabled on the NATS server, or not for this account: start it with -js, or put jetstream {} into its configuration.',
    cause,
  });
}

/** Why no connection came to be. `servers` hold no credentials. */
export function asConnectError(error: unknown, servers: readonly string[]): BurgageError {
  const refused = causesOf(error).some(
    (cause) => cause instanceof errors.AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError,
  );
  const at = servers.join(', ');
  if (refused) {
    return new BurgageError('credentials_refused', {
      message: `The NATS server at ${at} refuses the credentials.`,
      metadata: { servers: at },
      cause: error,
    });
  }
  return new BurgageError('unavailable', {
    message: `No NATS server answers at ${at}: ${textOf(error)}.`,
    metadata: { servers: at },
    cause: error,
  });
}

function permissionViolation(error: unknown): InstanceType<typeof errors.PermissionViolationError> | undefined {
  return causesOf(error).find((cause) => cause instanceof errors.PermissionViolationError);
}

function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let cause = error; cause !== undefined && cause !== null; cause = cause instanceof Error ? cause.cause : undefined)
    causes.push(cause);
  return causes;
}

function textOf(error: unknown): string {
  if (error instanceof errors.TimeoutError) return 'no answer came in time';
  return error instanceof Error ? error.message : String(error);
}
