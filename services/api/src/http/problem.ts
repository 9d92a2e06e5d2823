// Turns errors into problem+json (RFC 9457), and what a schema finds wrong into an error in the caller's terms.
import { asBurgageError, BurgageError, type ErrorCode, type FieldViolation, isErrorCode } from '@burgage/contracts';
import type { z } from '@hono/zod-openapi';
import { errorPlace, errorType, type Problem, quoted } from '../schemas/common.ts';

export function problemOf(error: BurgageError, requestId: string): Problem {
  const { sentence, http, advice } = error.definition;
  return {
    type: errorType(error.code),
    title: sentence,
    status: http,
    detail: error.message,
    code: error.code,
    advice,
    help: errorPlace(error.code),
    ...(error.fields.length === 0 ? {} : { fields: [...error.fields] }),
    requestId,
  };
}

/** The answer for whatever was thrown, with the headers that its status asks for. What is not of the catalogue is `internal`. */
export function problemResponse(thrown: unknown, requestId: string): Response {
  const error = asBurgageError(thrown);
  const headers = new Headers({ 'content-type': 'application/problem+json', 'x-request-id': requestId });
  if (error.code === 'unauthenticated') headers.set('www-authenticate', 'Bearer realm="burgage"');
  if (error.code === 'method_not_allowed' && error.metadata.allow) headers.set('allow', error.metadata.allow);
  if (error.retryAfterMs !== undefined) headers.set('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))));
  return new Response(JSON.stringify(problemOf(error, requestId)), { status: error.definition.http, headers });
}

/** What a schema found wrong with one part of a request. */
export interface Misfit {
  readonly issues: readonly z.core.$ZodIssue[];
  readonly input: unknown;
}

/**
 * Everything that is not valid, in the caller's terms. A single problem that has a code of its own (an unknown plan, a
 * reserved slug) is answered with that code, several together with `invalid_argument`. A field is named once, with what is
 * wrong with it first.
 */
export function errorFromMisfits(...misfits: readonly Misfit[]): BurgageError {
  const all = misfits.flatMap(({ issues, input }) => issues.flatMap((issue) => violations(issue, input)));
  const found = all.filter(({ field }, i) => all.findIndex((other) => other.field === field) === i);
  const fields = found.map(({ field, description }) => ({ field, description }));
  const only = found.length === 1 ? found[0] : undefined;
  const message = fields.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new BurgageError(only?.code ?? 'invalid_argument', { message, fields });
}

function violations(issue: z.core.$ZodIssue, input: unknown): (FieldViolation & { code?: ErrorCode })[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: [...issue.path, key].join('.'), description: 'is not a field of this request' }));
  }
  const field = issue.path.join('.') || 'body';
  const params: Record<string, unknown> = issue.code === 'custom' ? (issue.params ?? {}) : {};
  const code = params.code;
  const description = params.sentence === true ? issue.message : `${came(valueAt(input, issue.path))}; ${issue.message}`;
  return [{ field, description, ...(typeof code === 'string' && isErrorCode(code) ? { code } : {}) }];
}

function came(value: unknown): string {
  return value === undefined ? 'is missing' : `is ${quoted(value)}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
