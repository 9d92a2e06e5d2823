// The list of contacts with its search and its form, and one contact.
import type { Page, ProblemError } from '@burgage/app-kit';
import { html } from 'hono/html';
import type { DeskContext } from '../env.ts';
import type { FormValues } from '../forms.ts';
import type { ListQuery } from '../records.ts';
import type { Contact, Deal } from '../tables.ts';
import { type Markup, page } from './layout.ts';
import { alert, area, field, money, pager, searchForm, stageBadge } from './parts.ts';

interface Form {
  readonly values?: FormValues;
  readonly error?: ProblemError;
}

const fields = (values: Partial<Record<string, string | number | null>>, error: ProblemError | undefined): Markup => {
  const value = (name: string): string => String(values[name] ?? '');
  return html`${field({ name: 'name', label: 'Name', value: value('name'), required: true, maxLength: 200 }, error)}
${field({ name: 'company', label: 'Company', value: value('company'), maxLength: 200 }, error)}
${field({ name: 'email', label: 'E-mail', type: 'email', value: value('email'), maxLength: 254 }, error)}
${field({ name: 'phone', label: 'Phone', type: 'tel', value: value('phone'), maxLength: 50 }, error)}
${area({ name: 'notes', label: 'Notes', value: value('notes') }, error)}`;
};

export function contactsPage(
  c: DeskContext,
  { page: { rows, nextCursor }, query, form }: { page: Page<Contact>; query: ListQuery; form: Form },
): Promise<Response> {
  const table = html`<table><thead><tr><th scope="col">Name</th><th scope="col">Company</th><th scope="col">E-mail</th><th scope="col">Phone</th></tr></thead><tbody>
${rows.map(
  (contact) =>
    html`<tr><td><a href="/contacts/${contact.id}">${contact.name}</a></td><td data-label="Company">${contact.company ?? ''}</td><td data-label="E-mail">${contact.email ? html`<a href="mailto:${contact.email}">${contact.email}</a>` : ''}</td><td class="nowrap" data-label="Phone">${contact.phone ?? ''}</td></tr>`,
)}</tbody></table>`;
  return page(c, {
    title: 'Contacts',
    ...(form.error && { status: 422 }),
    body: html`<div class="head"><h1>Contacts</h1></div>
<div class="columns">
<section class="card" aria-label="All contacts">${searchForm('/contacts', 'Search contacts', query.q)}
${rows.length > 0 ? table : html`<p class="empty">${query.q ? 'No contact matches.' : 'Nobody yet. Add the first contact.'}</p>`}
${pager('/contacts', query, nextCursor)}</section>
<section class="card" id="new" aria-labelledby="new-title"><h2 id="new-title">New contact</h2>
<form method="post" action="/contacts">${alert(form.error)}${fields(form.values ?? {}, form.error)}<button class="wide">Add contact</button></form></section>
</div>`,
  });
}

export function contactPage(c: DeskContext, { contact, deals, form }: { contact: Contact; deals: Deal[]; form: Form }): Promise<Response> {
  return page(c, {
    title: contact.name,
    ...(form.error && { status: 422 }),
    body: html`<div class="head"><h1>${contact.name}</h1><a href="/contacts">All contacts</a></div>
<div class="columns">
<section class="card" aria-label="Details"><form method="post" action="/contacts/${contact.id}">${alert(form.error)}${fields(form.values ?? contact, form.error)}
<button>Save</button></form></section>
<div class="stack"><section class="card" aria-labelledby="deals-title"><h2 id="deals-title">Deals</h2>
${deals.length === 0 ? html`<p class="empty">No deals with this contact.</p>` : html`<ul class="list">${deals.map((deal) => html`<li><a href="/deals/${deal.id}">${deal.title}</a><span>${money(deal.amountMinor)} ${stageBadge(deal.stage)}</span></li>`)}</ul>`}</section>
<form method="post" action="/contacts/${contact.id}/delete"><button class="danger wide">Delete contact</button></form></div>
</div>`,
  });
}
