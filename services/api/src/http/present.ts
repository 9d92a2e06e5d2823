// Takes what another service always sets out of its answer.
import { BurgageError } from '@burgage/contracts';

/** `message`. @throws BurgageError `internal` where the service left it out all the same. */
export function present<T>(message: T | undefined): T {
  if (message === undefined) throw new BurgageError('internal', { cause: new Error('a service left its answer empty') });
  return message;
}
