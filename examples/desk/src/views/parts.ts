// Small pieces that several pages share: fields, search, paging, money.
import type { ProblemError } from '@burgage/app-kit';
import { html, raw } from 'hono/html';
import type { Stage } from '../tables.ts';
import type { Markup } from './layout.ts';

export interface FieldOptions {
  readonly name: string;
  readonly label: string;
  readonly value?: string | null | undefined;
  readonly type?: 'text' | 'email' | 'tel' | 'password' | 'search';
  readonly required?: boolean;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly autocomplete?: string;
  readonly inputMode?: string;
  readonly hint?: string;
}

/** A labelled input; what `error` says about it stands below and is tied to it for screen readers. */
export function field(options: FieldOptions, error?: ProblemError): Markup {
  const { name, label, value, type = 'text', required, maxLength, minLength, autocomplete = 'off', inputMode, hint } = options;
  const attributes = html` id="${name}" name="${name}" autocomplete="${autocomplete}"${required ? raw(' required') : ''}${maxLength ? html` maxlength="${maxLength}"` : ''}${minLength ? html` minlength="${minLength}"` : ''}${inputMode ? html` inputmode="${inputMode}"` : ''}${described(name, hint, error)}`;
  return html`<div class="field"><label for="${name}">${label}</label><input type="${type}"${attributes} value="${value ?? ''}">${notes(name, hint, error)}</div>`;
}

export function area({ name, label, value, maxLength = 5_000 }: FieldOptions, error?: ProblemError): Markup {
  return html`<div class="field"><label for="${name}">${label}</label><textarea id="${name}" name="${name}" maxlength="${maxLength}"${described(name, undefined, error)}>${value ?? ''}</textarea>${notes(name, undefined, error)}</div>`;
}

export function choice(
  { name, label, value, hint }: FieldOptions,
  options: readonly { value: string; label: string }[],
  error?: ProblemError,
): Markup {
  const items = options.map(
    (option) => html`<option value="${option.value}"${option.value === (value ?? '') ? raw(' selected') : ''}>${option.label}</option>`,
  );
  return html`<div class="field"><label for="${name}">${label}</label><select id="${name}" name="${name}"${described(name, hint, error)}>${items}</select>${notes(name, hint, error)}</div>`;
}

const wrongWith = (name: string, error: ProblemError | undefined): string | undefined =>
  error?.fields.find(({ field: named }) => named === name)?.description;

function described(name: string, hint: string | undefined, error: ProblemError | undefined): Markup | string {
  const wrong = wrongWith(name, error);
  const ids = [wrong && `${name}-wrong`, hint && `${name}-hint`].filter(Boolean).join(' ');
  return ids ? html` aria-describedby="${ids}"${wrong ? raw(' aria-invalid="true"') : ''}` : '';
}

function notes(name: string, hint: string | undefined, error: ProblemError | undefined): Markup {
  const wrong = wrongWith(name, error);
  return html`${wrong ? html`<p class="wrong" id="${name}-wrong">${wrong}</p>` : ''}${hint ? html`<p class="hint" id="${name}-hint">${hint}</p>` : ''}`;
}

export function alert(error: ProblemError | undefined): Markup | string {
  return error ? html`<p class="alert" role="alert">${error.fields.length > 0 ? 'Some fields need another look.' : error.message}</p>` : '';
}

export function searchForm(path: string, label: string, q: string | undefined): Markup {
  return html`<form class="search" role="search" method="get" action="${path}"><input type="search" name="q" aria-label="${label}" placeholder="${label}" maxlength="200" value="${q ?? ''}"><button>Search</button></form>`;
}

/** A link to the next page, or to the first one from the last. */
export function pager(
  path: string,
  { q, cursor }: { q?: string | undefined; cursor?: string | undefined },
  nextCursor: string | undefined,
): Markup | string {
  const address = (position?: string): string =>
    `${path}?${new URLSearchParams({ ...(q && { q }), ...(position && { cursor: position }) })}`;
  if (nextCursor) return html`<p class="pager"><a class="button" href="${address(nextCursor)}">Older</a></p>`;
  return cursor ? html`<p class="pager"><a href="${address()}">Back to the newest</a></p>` : '';
}

export const stageLabels: Record<Stage, string> = { lead: 'Lead', qualified: 'Qualified', proposal: 'Proposal', won: 'Won', lost: 'Lost' };

export function stageBadge(stage: string): Markup {
  return html`<span class="stage ${stage}">${stageLabels[stage as Stage] ?? stage}</span>`;
}

const dollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' });
const wholeDollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 });

export function money(amountMinor: number): string {
  return (amountMinor % 100 === 0 ? wholeDollars : dollars).format(amountMinor / 100);
}
