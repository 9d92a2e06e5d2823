// The pages that need no sign-in: the tenant's front page, signing in, and the first visit.
import type { ProblemError } from '@burgage/app-kit';
import { html } from 'hono/html';
import type { DeskContext } from '../env.ts';
import { passwordCharactersMax, passwordCharactersMin } from '../passwords.ts';
import { monogram, type PageOptions, page } from './layout.ts';
import { alert, field } from './parts.ts';

export function homePage(c: DeskContext): Promise<Response> {
  const { name } = c.get('tenant');
  return page(c, {
    title: 'Welcome',
    body: html`<div class="hero">
<div class="monogram" aria-hidden="true">${monogram(name)}</div>
<h1>${name}</h1>
<p>Contacts and deals of ${name}, in one place. If you work here, sign in to go on.</p>
<a class="button" href="/sign-in">Sign in</a>
</div>`,
  });
}

export function signInPage(c: DeskContext, { email, error }: { email?: string; error?: ProblemError }): Promise<Response> {
  if (error?.retryAfterSeconds) c.header('retry-after', String(error.retryAfterSeconds));
  return page(c, {
    title: 'Sign in',
    ...(error && { status: error.status as NonNullable<PageOptions['status']> }),
    body: html`<div class="narrow"><div class="card"><h1>Sign in</h1>
<form method="post" action="/sign-in">${alert(error)}
${field({ name: 'email', label: 'E-mail', type: 'email', value: email, required: true, maxLength: 254, autocomplete: 'username' })}
${field({ name: 'password', label: 'Password', type: 'password', required: true, maxLength: passwordCharactersMax, autocomplete: 'current-password' })}
<button class="wide">Sign in</button></form></div></div>`,
  });
}

export function welcomePage(
  c: DeskContext,
  { token, open, error }: { token: string; open: boolean; error?: ProblemError },
): Promise<Response> {
  const { name } = c.get('tenant');
  if (!open) {
    return page(c, {
      title: 'Link not valid',
      status: 403,
      body: html`<div class="narrow"><div class="card"><h1>This link is not valid</h1>
<p>It was used before, or is older than seven days. If you have set a password already, sign in with it; otherwise ask for a new link.</p>
<a class="button" href="/sign-in">Sign in</a></div></div>`,
    });
  }
  return page(c, {
    title: 'Welcome',
    ...(error && { status: error.status as NonNullable<PageOptions['status']> }),
    body: html`<div class="narrow"><div class="card"><h1>Welcome to ${name}</h1>
<p class="muted">Choose a password, and you are in.</p>
<form method="post" action="/welcome">${alert(error)}<input type="hidden" name="token" value="${token}">
${field({ name: 'password', label: 'Password', type: 'password', required: true, minLength: passwordCharactersMin, maxLength: passwordCharactersMax, autocomplete: 'new-password', hint: `At least ${passwordCharactersMin} characters. A few words in a row are easy to remember.` }, error)}
<button class="wide">Set password and sign in</button></form></div></div>`,
  });
}
