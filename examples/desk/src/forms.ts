// Reads what a form sends, and says what was wrong with it in the form's own words.
import { invalidField, ProblemError } from '@burgage/app-kit';
import type { DeskContext } from './env.ts';

export type FormValues = Record<string, string>;

/** The fields of a submitted form; files and second values of a name are left out. */
export async function formValues(c: DeskContext): Promise<FormValues> {
  try {
    const body = await c.req.parseBody();
    return Object.fromEntries(Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch (cause) {
    throw cause instanceof ProblemError ? cause : new ProblemError('malformed_body', { message: 'The form cannot be read.', cause });
  }
}

/** `1,234.50` as 123450. Throws `invalid_argument` naming `amount`. */
export function minorAmount(text: string): number {
  const match = /^(\d{1,10})(?:\.(\d{1,2}))?$/.exec(text.replaceAll(/[,\s$]/g, ''));
  if (!match) throw invalidField('amount', 'expected an amount such as 1200 or 1200.50');
  return Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'));
}

/** The records know an amount in minor units, the form one in dollars: an error must name the form's field. */
export function formErrors(error: ProblemError): ProblemError {
  const fields = error.fields.map(({ field, description }) =>
    field === 'amountMinor' ? { field: 'amount', description: 'expected at most 10,000,000,000' } : { field, description },
  );
  return new ProblemError(error.code, { message: error.message, fields });
}
