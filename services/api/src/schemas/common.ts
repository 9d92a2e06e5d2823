// What every resource of the API shares: problems, pages, times, and how a field says what it expects.

import { type ErrorCode, errorCatalogue } from '@burgage/contracts';
import { z } from '@hono/zod-openapi';

/** RFC 9457, with the catalogue's code and advice, the fields that are not valid, and the id to report it with. */
export const ProblemSchema = z
  .object({
    type: z
      .string()
      .openapi({ description: 'The code as a URI, the same everywhere in Burgage.', example: 'urn:burgage:error:unknown_plan' }),
    title: z
      .string()
      .openapi({ description: 'What happened, the same for every error of this code.', example: errorCatalogue.unknown_plan.sentence }),
    status: z.int().openapi({ description: 'The HTTP status.', example: 422 }),
    detail: z.string().openapi({
      description: 'What happened this time: what came and what was expected.',
      example: 'plan: is "gold"; expected one of trial, starter',
    }),
    code: z.string().openapi({ description: 'For programs: it never changes its meaning.', example: 'unknown_plan' }),
    advice: z.string().openapi({ description: 'What to do about it.', example: errorCatalogue.unknown_plan.advice }),
    help: z.string().openapi({ description: 'Where the api describes the code.', example: '/v1/docs/errors#unknown_plan' }),
    fields: z
      .array(z.object({ field: z.string(), description: z.string() }))
      .optional()
      .openapi({
        description: 'Every field that is not valid, at once.',
        example: [{ field: 'plan', description: 'is "gold"; expected one of trial, starter' }],
      }),
    requestId: z.string().openapi({ description: 'Also in X-Request-Id and in the log.', example: '01JD3Q8Z6V7K4M2N9P0R5S1T3W' }),
  })
  .openapi('Problem', { description: 'An error, as RFC 9457 says it.' });

export type Problem = z.infer<typeof ProblemSchema>;

/** The `type` of every problem with `code`. */
export const errorType = (code: ErrorCode): string => `urn:burgage:error:${code}`;

/** Where the page of errors describes `code`. */
export const errorPlace = (code: ErrorCode): string => `/v1/docs/errors#${code}`;

export const timeSchema = z.iso.datetime().openapi({ example: '2026-03-01T09:30:00.000Z' });

/** Every failed operation and step says why in this shape. */
export const FailureSchema = z
  .object({
    code: z.string().openapi({ description: 'From the error catalogue.', example: 'app_unhealthy' }),
    message: z.string().openapi({ description: 'One sentence.', example: 'The application did not become healthy for this tenant.' }),
  })
  .openapi('Failure', { description: 'Why something failed.' });

const pageSizeMax = 500;

/** The query of every list. */
export const pageQuery = {
  pageSize: z.coerce
    .number({ error: `expected a whole number from 1 to ${pageSizeMax}` })
    .int({ error: `expected a whole number from 1 to ${pageSizeMax}` })
    .min(1, { error: `expected a whole number from 1 to ${pageSizeMax}` })
    .max(pageSizeMax, { error: `expected a whole number from 1 to ${pageSizeMax}` })
    .optional()
    .openapi({ description: 'How many items a page has; 50 when absent.', example: 50 }),
  pageToken: z
    .string()
    .min(1, { error: 'expected the `next` of the page before' })
    .optional()
    .openapi({ description: '`next` of the page before; absent for the first.' }),
};

/** A page of `item`. */
export function pageOf<T extends z.ZodType>(name: string, item: T) {
  return z
    .object({
      items: z.array(item),
      next: z
        .string()
        .optional()
        .openapi({ description: 'The `pageToken` of the next page; absent on the last. Also in the Link header.' }),
    })
    .openapi(name);
}

/** `detail` of an example problem: the catalogue's own sentence. */
export function problemExample(code: ErrorCode): Problem {
  const { sentence, advice, http } = errorCatalogue[code];
  return {
    type: errorType(code),
    title: sentence,
    status: http,
    detail: sentence,
    code,
    advice,
    help: errorPlace(code),
    requestId: '01JD3Q8Z6V7K4M2N9P0R5S1T3W',
  };
}

/** A value of the caller's, short enough for a sentence. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
