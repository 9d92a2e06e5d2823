// Puts the errors of what lies behind the api into the terms of its callers.
import { BurgageError, isBurgageError } from '@burgage/contracts';

/** Those whose name here is another; the rest only change from snake_case to camelCase. */
const renamed: Readonly<Record<string, string>> = {
  owner_email: 'owner',
  idempotency_key: 'Idempotency-Key',
  tenant_id: 'tenant',
  operation_id: 'operation',
};

function callersName(field: string): string {
  return renamed[field] ?? field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The answer of another service or of the store; where it refuses fields, they are called as the caller sent them, and a
 * page token, which is a cursor to them, is `pageToken`.
 */
export async function inCallersTerms<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isBurgageError(error, 'invalid_page_token')) throw invalidPageToken(error);
    if (!isBurgageError(error) || error.fields.every(({ field }) => callersName(field) === field)) throw error;
    const fields = error.fields.map(({ field, description }) => ({ field: callersName(field), description }));
    const message = fields.map(({ field, description }) => `${field}: ${description}`).join('; ');
    throw new BurgageError(error.code, { message, fields, cause: error });
  }
}

function invalidPageToken(cause: BurgageError): BurgageError {
  const field = 'pageToken';
  const description = 'is not one that this list gave; expected `next` of the page before, with the same filters';
  return new BurgageError('invalid_page_token', { message: `${field}: ${description}`, fields: [{ field, description }], cause });
}
