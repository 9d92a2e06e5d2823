// Names the fields of other services' errors as the callers of the api know them.
import { BurgageError, isBurgageError } from '@burgage/contracts';

/** Those whose name here is another; the rest only change from snake_case to camelCase. */
const renamed: Readonly<Record<string, string>> = { owner_email: 'owner', idempotency_key: 'Idempotency-Key' };

function callersName(field: string): string {
  return renamed[field] ?? field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The answer of another service; where it refuses fields, they are called as the caller sent them. */
export async function inCallersTerms<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isBurgageError(error) || error.fields.every(({ field }) => callersName(field) === field)) throw error;
    const fields = error.fields.map(({ field, description }) => ({ field: callersName(field), description }));
    const message = fields.map(({ field, description }) => `${field}: ${description}`).join('; ');
    throw new BurgageError(error.code, { message, fields, cause: error });
  }
}
