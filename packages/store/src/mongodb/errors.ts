// What an error of the driver or of the server means to the caller: one table, and nothing of it decided elsewhere.
import { BurgageError, type ErrorCode } from '@burgage/contracts';
import {
  MongoBulkWriteError,
  MongoCompatibilityError,
  MongoError,
  MongoErrorLabel,
  MongoInvalidArgumentError,
  MongoMissingCredentialsError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
} from 'mongodb';

const codes = {
  /** UserNotFound, Unauthorized, AuthenticationFailed, and a failed login on hosted servers. */
  credentials: new Set([11, 13, 18, 8_000]),
  duplicate: new Set([11_000, 11_001]),
  /** BSONObjectTooLarge, and the same found while an update is carried out. */
  tooLarge: new Set([10_334, 17_419, 17_420]),
  /** The primary goes, is gone, or is another one; and what a server did not foresee, such as the loss of its own database. */
  undecided: new Set([1, 8, 91, 189, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436]),
  /** Of those, what comes before anything is carried out: NotWritablePrimary, and the same said of a read. */
  unread: new Set([10_107, 13_435]),
  /** Time limits, lost cursors, conflicts, full disks, a majority that cannot be had: what may pass by itself. */
  unavailable: new Set([6, 7, 24, 43, 46, 50, 64, 79, 89, 100, 112, 133, 134, 136, 202, 237, 262, 290, 9_001, 11_601, 14_031]),
} as const;

/** What FerretDB says in words alone, with a code that says nothing: 1 and 2 where an update or a new index finds a key taken, 2 of the size. */
const ferretdb = { duplicate: /UNIQUE constraint failed|exclusion constraint/, tooLarge: /larger than MaxDocumentSize/ } as const;

/** True where a unique index or an id refused a write. */
export function isDuplicate(thrown: unknown): boolean {
  const error = original(thrown);
  return (
    hasCode(error, codes.duplicate) || (error instanceof MongoServerError && error.code === 1 && ferretdb.duplicate.test(error.message))
  );
}

/** True where a write was perhaps carried out and perhaps not, or is perhaps undone: who repeats it must know its own. */
export function isUndecided(thrown: unknown): boolean {
  const error = original(thrown);
  return error instanceof MongoNetworkError || error instanceof MongoWriteConcernError || hasCode(error, codes.undecided);
}

/** Of undecided errors, true where nothing can have been carried out: there was no connection yet, or the server says so. */
export function isUnsent(thrown: unknown): boolean {
  const error = original(thrown);
  if (!(error instanceof MongoError)) return false;
  // The driver keeps the class to itself.
  return error.name === 'MongoPoolClearedError' || error.hasErrorLabel(MongoErrorLabel.HandshakeError) || hasCode(error, codes.unread);
}

/**
 * Any thrown value as what the port promises; the first that fits:
 * 1. more than a document can hold, which the driver may find first: `invalid_argument`;
 * 2. what is not of the driver or of its socket, such as an error of the catalogue: itself;
 * 3. credentials that are refused or missing, and rights that the user lacks: `credentials_refused`;
 * 4. a server that the driver does not speak to: `server_too_old`;
 * 5. what a server answers and will always answer: `internal`, a mistake of this adapter;
 * 6. everything else is about reaching a server that can write: `unavailable`.
 * `place` names the server, without credentials.
 */
export function storeError(place: string, thrown: unknown): unknown {
  const error = original(thrown);
  if (isTooLarge(error))
    return new BurgageError('invalid_argument', { message: `value: ${tooLarge}`, fields: [tooLargeField], cause: error });
  if (!(error instanceof MongoError)) return error;
  const as = (code: ErrorCode, problem: string): BurgageError =>
    new BurgageError(code, { message: `${place} ${problem}: ${error.message}`, metadata: { server: place }, cause: error });
  if (error instanceof MongoMissingCredentialsError || hasCode(error, codes.credentials))
    return as('credentials_refused', 'refuses the credentials');
  if (isTooOld(error)) return as('server_too_old', 'is too old');
  if (error instanceof MongoServerError && !isUndecided(error) && !hasCode(error, codes.unavailable)) {
    return as('internal', `answered with error ${error.code}`);
  }
  return as('unavailable', 'cannot be used');
}

const tooLarge = 'got more than 16 MB, expected less, together with the outbox';
const tooLargeField = { field: 'value', description: tooLarge };

function isTooLarge(error: unknown): boolean {
  if (error instanceof MongoServerError) return hasCode(error, codes.tooLarge) || ferretdb.tooLarge.test(error.message);
  if (error instanceof MongoInvalidArgumentError) return error.message.includes('larger than the maximum size');
  // The end of the driver's buffer.
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE';
}

/** The driver finds no server that it speaks to, or hears from one that it does not. */
function isTooOld(error: MongoError): boolean {
  const reason = error instanceof MongoServerSelectionError ? error.reason?.error : error;
  return reason instanceof MongoCompatibilityError;
}

/** Of a connection that was lost while the driver wrote to it: now and then it hands on what its socket said. */
const lostConnection = new Set<unknown>(['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT']);

/** A bulk write dresses everything up as an answer of the server, a lost connection too. */
function original(thrown: unknown): unknown {
  if (thrown instanceof Error && 'syscall' in thrown && 'code' in thrown && lostConnection.has(thrown.code))
    return new MongoNetworkError(thrown.message, { cause: thrown });
  return thrown instanceof MongoBulkWriteError && thrown.errorResponse instanceof MongoError ? thrown.errorResponse : thrown;
}

function hasCode(error: unknown, known: ReadonlySet<number>): boolean {
  return error instanceof MongoServerError && typeof error.code === 'number' && known.has(error.code);
}
