// The list of deals with its search and its form, and one deal.
import type { Page, ProblemError } from '@burgage/app-kit';
import { html } from 'hono/html';
import type { DeskContext } from '../env.ts';
import type { FormValues } from '../forms.ts';
import type { ListQuery } from '../records.ts';
import { type Contact, contacts as contactsTable, type Deal, stages } from '../tables.ts';
import { type Markup, page } from './layout.ts';
import { alert, choice, field, money, pager, searchForm, stageBadge, stageLabels } from './parts.ts';

interface Form {
  readonly values?: FormValues;
  readonly error?: ProblemError;
}

function fields(values: FormValues, contacts: readonly Contact[], error: ProblemError | undefined): Markup {
  const people = [
    { value: '', label: 'Nobody' },
    ...contacts.map(({ id, name, company }) => ({ value: id, label: company ? `${name}, ${company}` : name })),
  ];
  return html`${field({ name: 'title', label: 'Title', value: values.title, required: true, maxLength: 200 }, error)}
${field({ name: 'amount', label: 'Amount in dollars', value: values.amount, required: true, maxLength: 20, inputMode: 'decimal' }, error)}
${choice(
  { name: 'stage', label: 'Stage', value: values.stage },
  stages.map((stage) => ({ value: stage, label: stageLabels[stage] })),
  error,
)}
${choice({ name: 'contactId', label: 'Contact', value: values.contactId }, people, error)}`;
}

/** The contact's name, looked up in the tenant's own rows. */
function contactLink(c: DeskContext, contactId: string | null): Markup | string {
  const contact = contactId ? c.get('data').table(contactsTable).get(contactId) : undefined;
  return contact ? html`<a href="/contacts/${contact.id}">${contact.name}</a>` : '';
}

export function dealsPage(
  c: DeskContext,
  { page: { rows, nextCursor }, query, contacts, form }: { page: Page<Deal>; query: ListQuery; contacts: readonly Contact[]; form: Form },
): Promise<Response> {
  const table = html`<table><thead><tr><th scope="col">Title</th><th scope="col">Contact</th><th scope="col">Stage</th><th scope="col" class="number">Amount</th></tr></thead><tbody>
${rows.map(
  (deal) =>
    html`<tr><td><a href="/deals/${deal.id}">${deal.title}</a></td><td data-label="Contact">${contactLink(c, deal.contactId)}</td><td data-label="Stage">${stageBadge(deal.stage)}</td><td class="number" data-label="Amount">${money(deal.amountMinor)}</td></tr>`,
)}</tbody></table>`;
  return page(c, {
    title: 'Deals',
    ...(form.error && { status: 422 }),
    body: html`<div class="head"><h1>Deals</h1></div>
<div class="columns">
<section class="card" aria-label="All deals">${searchForm('/deals', 'Search deals', query.q)}
${rows.length > 0 ? table : html`<p class="empty">${query.q ? 'No deal matches.' : 'None yet. Add the first deal.'}</p>`}
${pager('/deals', query, nextCursor)}</section>
<section class="card" id="new" aria-labelledby="new-title"><h2 id="new-title">New deal</h2>
<form method="post" action="/deals">${alert(form.error)}${fields(form.values ?? {}, contacts, form.error)}<button class="wide">Add deal</button></form></section>
</div>`,
  });
}

export function dealPage(
  c: DeskContext,
  { deal, contacts, form }: { deal: Deal; contacts: readonly Contact[]; form: Form },
): Promise<Response> {
  const stored = { title: deal.title, amount: (deal.amountMinor / 100).toFixed(2), stage: deal.stage, contactId: deal.contactId ?? '' };
  const own =
    deal.contactId && !contacts.some(({ id }) => id === deal.contactId)
      ? c.get('data').table(contactsTable).get(deal.contactId)
      : undefined;
  return page(c, {
    title: deal.title,
    ...(form.error && { status: 422 }),
    body: html`<div class="head"><h1>${deal.title}</h1><a href="/deals">All deals</a></div>
<div class="columns">
<section class="card" aria-label="Details"><form method="post" action="/deals/${deal.id}">${alert(form.error)}${fields(form.values ?? stored, own ? [own, ...contacts] : contacts, form.error)}
<button>Save</button></form></section>
<div class="stack"><section class="card" aria-labelledby="state-title"><h2 id="state-title">Where it stands</h2><p>${money(deal.amountMinor)} ${stageBadge(deal.stage)}</p><p class="muted small">Since ${new Date(deal.createdAtMs).toISOString().slice(0, 10)}</p></section>
<form method="post" action="/deals/${deal.id}/delete"><button class="danger wide">Delete deal</button></form></div>
</div>`,
  });
}
