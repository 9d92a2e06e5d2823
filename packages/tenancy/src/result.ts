// A failure that the caller has to expect, as a value.
import type { BurgageError } from '@burgage/contracts';

/** What a decision of the domain answers with: its value, or the reason why there is none. */
export type Result<T, E = BurgageError> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** The value; throws the error where there is none. For ports and handlers, where a failure becomes a throw. */
export function unwrap<T, E>(result: Result<T, E>): T {
  if (result.ok) return result.value;
  throw result.error;
}
