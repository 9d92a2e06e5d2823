// What the driver throws, and what becomes of it.
import { BurgageError } from '@burgage/contracts';
import {
  MongoBulkWriteError,
  MongoClientClosedError,
  MongoCompatibilityError,
  MongoInvalidArgumentError,
  MongoMissingCredentialsError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
} from 'mongodb';
import { describe, expect, it } from 'vitest';
import { isDuplicate, isUndecided, storeError } from './errors.ts';

const place = 'mongodb://db.test:27017/registry';

function answer(code: number, message = 'no'): MongoServerError {
  return new MongoServerError({ code, message });
}

const lost = new MongoNetworkError('connection 3 closed');
const writeConcern = new MongoWriteConcernError({ ok: 1, writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } });
const tooFarForTheBuffer = Object.assign(new RangeError('out of range'), { code: 'ERR_OUT_OF_RANGE' });
const bulk = { insertedCount: 0 } as never;

const rows: readonly [what: string, error: unknown, code: string, isUndecided: boolean][] = [
  ['no server', new MongoServerSelectionError('connect ECONNREFUSED', {} as never), 'unavailable', false],
  ['a lost connection', lost, 'unavailable', true],
  ['a lost connection, dressed up', new MongoBulkWriteError(lost, bulk), 'unavailable', true],
  ['no answer', new MongoNetworkTimeoutError('timed out'), 'unavailable', true],
  ['a closed client', new MongoClientClosedError(), 'unavailable', false],
  ['no majority yet', writeConcern, 'unavailable', true],
  ['not the primary', answer(10_107), 'unavailable', true],
  ['a primary that steps down', answer(189), 'unavailable', true],
  ['what a server did not foresee', answer(1, 'unexpected EOF'), 'unavailable', true],
  ['a full disk', answer(14_031), 'unavailable', false],
  ['a cursor that is gone', answer(43), 'unavailable', false],
  ['an operation that was interrupted', answer(11_601), 'unavailable', false],
  ['no member to read from', answer(133), 'unavailable', false],
  ['wrong credentials', answer(18), 'credentials_refused', false],
  ['missing rights', answer(13), 'credentials_refused', false],
  ['missing credentials', new MongoMissingCredentialsError('none'), 'credentials_refused', false],
  ['an old server', new MongoCompatibilityError('wire version 4'), 'server_too_old', false],
  ['a document that is too large', answer(10_334), 'invalid_argument', false],
  ['the same, found by an update', answer(17_419), 'invalid_argument', false],
  ['the same, found by FerretDB', answer(2, 'Size 17301532 is larger than MaxDocumentSize 16777216'), 'invalid_argument', false],
  [
    'the same, found by the driver',
    new MongoInvalidArgumentError('Document is larger than the maximum size 16777216'),
    'invalid_argument',
    false,
  ],
  ['the same, at the end of its buffer', tooFarForTheBuffer, 'invalid_argument', false],
  [
    'a connection that was lost, as its socket says it',
    Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }),
    'unavailable',
    true,
  ],
  ['a mistake of ours', answer(9, 'FailedToParse'), 'internal', false],
];

describe('an error of the driver', () => {
  it.each(rows)('%s', (_, error, code, undecided) => {
    const mapped = storeError(place, error);
    expect(mapped).toMatchObject({ code });
    expect(mapped).toBeInstanceOf(BurgageError);
    if (code !== 'invalid_argument') expect(mapped).toMatchObject({ message: expect.stringContaining(place), metadata: { server: place } });
    expect(isUndecided(error)).toBe(undecided);
    expect(isDuplicate(error)).toBe(false);
  });

  it.each([
    answer(11_000),
    answer(1, "constraint failed: UNIQUE constraint failed: index 'documents_notes_unique.text' (2067)"),
    answer(1, 'conflicting key value violates exclusion constraint "documents_rum_index_15"'),
    new MongoBulkWriteError({ message: 'E11000 duplicate key', code: 11_000 }, bulk),
  ])('that says that a key is taken is known as one: %o', (error) => {
    expect(isDuplicate(error)).toBe(true);
  });

  it('is the only thing that is changed', () => {
    for (const other of [new TypeError('a bug'), new BurgageError('not_found'), 'text', undefined])
      expect(storeError(place, other)).toBe(other);
  });
});
