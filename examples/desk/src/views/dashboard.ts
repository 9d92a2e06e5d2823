// The overview after signing in: four figures, the newest contacts and deals.
import { html } from 'hono/html';
import type { DeskContext } from '../env.ts';
import type { Records } from '../records.ts';
import { contacts, deals, type Stage } from '../tables.ts';
import { page } from './layout.ts';
import { money, stageBadge } from './parts.ts';

const openStages: readonly Stage[] = ['lead', 'qualified', 'proposal'];
const newestShown = 6;

export function dashboardPage(c: DeskContext, records: Records): Promise<Response> {
  const data = c.get('data');
  const allDeals = data.table(deals);
  const overStages = (stages: readonly Stage[], figure: (stage: Stage) => number): number =>
    stages.reduce((total, stage) => total + figure(stage), 0);
  const figures = [
    { label: 'Contacts', value: String(data.table(contacts).count()) },
    { label: 'Open deals', value: String(overStages(openStages, (stage) => allDeals.count({ where: { stage } }))) },
    { label: 'In the pipeline', value: money(overStages(openStages, (stage) => allDeals.sum('amountMinor', { where: { stage } }))) },
    { label: 'Won', value: money(allDeals.sum('amountMinor', { where: { stage: 'won' } })) },
  ];
  const newestContacts = records.listContacts(data, { limit: newestShown }).rows;
  const newestDeals = records.listDeals(data, { limit: newestShown }).rows;
  return page(c, {
    title: 'Overview',
    body: html`<div class="head"><h1>Overview</h1><div class="actions"><a class="button" href="/contacts#new">New contact</a><a class="button" href="/deals#new">New deal</a></div></div>
<dl class="figures">${figures.map(({ label, value }) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
<div class="halves">
<section class="card" aria-labelledby="newest-contacts"><h2 id="newest-contacts">Newest contacts</h2>
${
  newestContacts.length === 0
    ? html`<p class="empty">Nobody yet. <a href="/contacts#new">Add the first contact</a></p>`
    : html`<ul class="list">${newestContacts.map((contact) => html`<li><a href="/contacts/${contact.id}">${contact.name}</a><span class="muted">${contact.company ?? ''}</span></li>`)}</ul>`
}</section>
<section class="card" aria-labelledby="newest-deals"><h2 id="newest-deals">Newest deals</h2>
${
  newestDeals.length === 0
    ? html`<p class="empty">None yet. <a href="/deals#new">Add the first deal</a></p>`
    : html`<ul class="list">${newestDeals.map((deal) => html`<li><a href="/deals/${deal.id}">${deal.title}</a><span>${money(deal.amountMinor)} ${stageBadge(deal.stage)}</span></li>`)}</ul>`
}</section>
</div>`,
  });
}
