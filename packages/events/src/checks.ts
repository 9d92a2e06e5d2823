// What every adapter refuses before it does anything: events and subscriptions that are not valid.
import { BurgageError, invalidField } from '@burgage/contracts';
import type { Event, SubscribeOptions } from './port.ts';
import { checkSubject, compileSubjects } from './subjects.ts';

const consumerPattern = /^[A-Za-z0-9_-]{1,64}$/;

const defaults = {
  concurrency: 8,
  attemptsMax: 8,
  backoffMs: 200,
  backoffMaxMs: 30_000,
  ackTimeoutMs: 30_000,
} as const satisfies Partial<SubscribeOptions>;

/** @throws BurgageError `invalid_argument` naming the field. */
export function checkEvent(event: Event): void {
  checkSubject(event.subject);
  for (const field of ['id', 'source', 'entity', 'time', 'schema', 'traceparent'] as const) {
    const value = event[field];
    if (value === undefined && (field === 'schema' || field === 'traceparent')) continue;
    if (typeof value !== 'string') throw invalidField(field, `${typeof value} came, expected a text`);
    // Half of a surrogate pair has no bytes to be stored as: it would come out as something else.
    if (!value.isWellFormed()) throw invalidField(field, 'a text that is not well-formed Unicode came, expected one that is');
  }
  if (event.id === '') throw invalidField('id', 'an empty text came, expected an id');
  if (!(event.data instanceof Uint8Array)) throw invalidField('data', `${typeof event.data} came, expected bytes`);
}

/** @throws BurgageError `invalid_argument`. */
export function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1) throw invalidField('limit', `${limit} came, expected a whole number from 1`);
}

/** @throws BurgageError `invalid_argument` where `consumer` is not 1 to 64 letters, digits, `_` and `-`: what every engine takes as a durable name. */
export function checkConsumer(consumer: string): void {
  if (!consumerPattern.test(consumer)) {
    throw invalidField('consumer', `${JSON.stringify(consumer)} came, expected 1 to 64 letters, digits, _ and -`);
  }
}

/** The options with their defaults. @throws BurgageError `invalid_argument` naming the option. */
export function completeOptions(options: SubscribeOptions): Required<SubscribeOptions> {
  checkConsumer(options.consumer);
  compileSubjects(options.subjects);
  const complete = { ...defaults, ...options };
  for (const [field, minimum] of [
    ['concurrency', 1],
    ['attemptsMax', 1],
    ['backoffMs', 0],
    ['backoffMaxMs', 0],
    ['ackTimeoutMs', 1],
  ] as const) {
    const value = complete[field];
    if (!Number.isInteger(value) || value < minimum) throw invalidField(field, `${value} came, expected a whole number from ${minimum}`);
  }
  return complete;
}

export function deadLetterNotFound(deadLetterId: string): BurgageError {
  return new BurgageError('not_found', { message: `There is no dead letter ${JSON.stringify(deadLetterId)}.`, metadata: { deadLetterId } });
}

export function consumerNotFound(consumer: string): BurgageError {
  return new BurgageError('not_found', { message: `There is no consumer ${JSON.stringify(consumer)}.`, metadata: { consumer } });
}

export function closedError(): BurgageError {
  return new BurgageError('unavailable', { message: 'The events are closed.' });
}
