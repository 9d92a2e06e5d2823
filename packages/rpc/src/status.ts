// Errors of the catalogue as gRPC statuses, and back: google.rpc.Status in the trailer grpc-status-details-bin.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack, durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { BurgageError, type ErrorCode, type FieldViolation, grpcStatus, isErrorCode } from '@burgage/contracts';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, type Status, StatusSchema } from '@burgage/contracts/wire';
import { status as grpcCode, Metadata } from '@grpc/grpc-js';

const domain = 'burgage';
const detailsKey = 'grpc-status-details-bin';
/** A peer may refuse more than 8 KiB of trailers: 5 KiB of details are 6.7 KiB in base64. */
const detailsBytesMax = 5 * 1024;
const messageCharactersMax = 1_000;
/** The message once more, for tools that read no details. */
const plainMessageCharactersMax = 200;
const fieldCharactersMax = 200;
const descriptionCharactersMax = 400;
const metadataBytesMax = 1_024;

export interface RpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What grpc-js sends for `error`. Long messages and long lists of fields are cut so that trailers stay within what peers take. */
export function statusOf(error: BurgageError): RpcStatus {
  const message = shorten(error.message, messageCharactersMax);
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(encodeDetails(error, message)));
  return { code: grpcStatus[error.definition.grpc], details: shorten(message, plainMessageCharactersMax), metadata };
}

function encodeDetails(error: BurgageError, message: string): Uint8Array {
  const fields = error.fields.map(({ field, description }) => ({
    field: shorten(field, fieldCharactersMax),
    description: shorten(description, descriptionCharactersMax),
  }));
  for (let kept = fields.length; ; kept = Math.floor(kept / 2)) {
    const bytes = encodeStatus(error, message, fields.slice(0, kept));
    if (bytes.length <= detailsBytesMax || kept === 0) return bytes;
  }
}

function encodeStatus(error: BurgageError, message: string, fieldViolations: readonly FieldViolation[]): Uint8Array {
  const info = create(ErrorInfoSchema, { reason: error.code, domain, metadata: boundedMetadata(error.metadata) });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (fieldViolations.length > 0) {
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: [...fieldViolations] })));
  }
  if (error.retryAfterMs !== undefined) {
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(error.retryAfterMs) })));
  }
  return toBinary(StatusSchema, create(StatusSchema, { code: grpcStatus[error.definition.grpc], message, details }));
}

/** As many entries as fit, none of them cut. */
function boundedMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    if (bytes > metadataBytesMax) break;
    kept[wellFormed(key)] = wellFormed(value);
  }
  return kept;
}

/** The error that the server sent in its trailers; undefined where it sent none of our catalogue. */
export function sentError(metadata: Metadata): BurgageError | undefined {
  const [bytes] = metadata.get(detailsKey);
  if (!(bytes instanceof Buffer)) return undefined;
  let status: Status;
  try {
    status = fromBinary(StatusSchema, bytes);
  } catch {
    return undefined;
  }
  let info: { code: ErrorCode; metadata: Record<string, string> } | undefined;
  let fields: readonly FieldViolation[] | undefined;
  let retryAfterMs: number | undefined;
  for (const detail of status.details) {
    const errorInfo = anyUnpack(detail, ErrorInfoSchema);
    if (errorInfo !== undefined && errorInfo.domain === domain && isErrorCode(errorInfo.reason)) {
      info = { code: errorInfo.reason, metadata: errorInfo.metadata };
    }
    fields ??= anyUnpack(detail, BadRequestSchema)?.fieldViolations.map(({ field, description }) => ({ field, description }));
    const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    if (delay !== undefined) retryAfterMs = durationMs(delay);
  }
  if (info === undefined) return undefined;
  return new BurgageError(info.code, {
    message: status.message,
    metadata: info.metadata,
    ...(fields === undefined ? {} : { fields }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** The code of the catalogue for a status that came without details: from grpc-js itself, or from a peer that is not ours. */
export function codeOfStatus(code: number): ErrorCode {
  switch (code) {
    case grpcCode.CANCELLED:
      return 'cancelled';
    case grpcCode.INVALID_ARGUMENT:
      return 'invalid_argument';
    case grpcCode.DEADLINE_EXCEEDED:
      return 'deadline_exceeded';
    case grpcCode.NOT_FOUND:
      return 'not_found';
    case grpcCode.ALREADY_EXISTS:
      return 'already_exists';
    case grpcCode.PERMISSION_DENIED:
      return 'permission_denied';
    case grpcCode.RESOURCE_EXHAUSTED:
      return 'body_too_large';
    case grpcCode.UNIMPLEMENTED:
      return 'method_not_allowed';
    case grpcCode.UNAVAILABLE:
      return 'unavailable';
    case grpcCode.UNAUTHENTICATED:
      return 'unauthenticated';
    default:
      return 'internal';
  }
}

function shorten(text: string, charactersMax: number): string {
  const whole = wellFormed(text);
  return whole.length <= charactersMax ? whole : `${whole.slice(0, charactersMax - 1).toWellFormed()}…`;
}

/** Neither protobuf nor a header can carry half a surrogate pair. */
function wellFormed(text: string): string {
  return text.toWellFormed();
}
