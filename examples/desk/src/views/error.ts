// An error as a page in the tenant's own colours.
import { ProblemError, problemBody } from '@burgage/app-kit';
import { html } from 'hono/html';
import type { DeskContext } from '../env.ts';
import { type PageOptions, page } from './layout.ts';

export function errorPage(c: DeskContext, error: unknown): Promise<Response> {
  const { status, title, detail } = problemBody(error);
  if (error instanceof ProblemError && error.retryAfterSeconds) c.header('retry-after', String(error.retryAfterSeconds));
  return page(c, {
    title,
    status: status as NonNullable<PageOptions['status']>,
    body: html`<div class="hero"><h1>${status}</h1><p>${detail}</p><a class="button" href="/">Back to the start</a></div>`,
  });
}
