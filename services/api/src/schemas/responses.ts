// How routes declare what they answer: JSON with an example, and the errors of the catalogue by their HTTP status.

import { type ErrorCode, errorCatalogue } from '@burgage/contracts';
import type { z } from '@hono/zod-openapi';
import { ProblemSchema, problemExample } from './common.ts';

/** What every route below /v1 can answer with, besides its own errors. */
const everywhere: readonly ErrorCode[] = ['unauthenticated', 'internal', 'unavailable', 'deadline_exceeded'];

interface ProblemResponse {
  description: string;
  content: { 'application/problem+json': { schema: typeof ProblemSchema; examples: Record<string, { summary: string; value: unknown }> } };
}

/**
 * The error responses of a route that needs a token: one for each HTTP status, with an example for each code. Keyed by
 * number at run time; the type says nothing of the keys, because handlers throw errors and never return them.
 */
export function problems(...codes: ErrorCode[]): Record<never, ProblemResponse> {
  return problemsOf([...codes, ...everywhere]);
}

/** As `problems`, for a route that needs no token and no other service. */
export function problemsOf(codes: readonly ErrorCode[]): Record<never, ProblemResponse> {
  const responses: Record<number, ProblemResponse> = {};
  for (const code of codes) {
    const { http, sentence } = errorCatalogue[code];
    responses[http] ??= { description: '', content: { 'application/problem+json': { schema: ProblemSchema, examples: {} } } };
    const response = responses[http];
    response.description += `${response.description ? ' ' : ''}\`${code}\`: ${sentence}`;
    response.content['application/problem+json'].examples[code] = { summary: sentence, value: problemExample(code) };
  }
  return responses;
}

/** A JSON answer with one example. */
export function json<T extends z.ZodType>(description: string, schema: T, example: z.input<T>, headers?: z.ZodObject) {
  return { description, content: { 'application/json': { schema, example } }, ...(headers === undefined ? {} : { headers }) };
}

/** What a route that reads a JSON body can refuse it with. */
export const bodyProblems = [
  'malformed_body',
  'unsupported_media_type',
  'body_too_large',
  'invalid_argument',
] as const satisfies ErrorCode[];
