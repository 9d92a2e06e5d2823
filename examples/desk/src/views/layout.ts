// The frame of every page: head, security headers, the company's name and colours, navigation.
import { html, raw } from 'hono/html';
import { pageColor, paletteOf } from '../brand.ts';
import type { DeskContext } from '../env.ts';
import { stylesheet } from './stylesheet.ts';

/** Markup made by `html`, in which every value is escaped. */
export type Markup = ReturnType<typeof html>;

export interface PageOptions {
  readonly title: string;
  readonly body: Markup;
  readonly status?: 200 | 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 429 | 500 | 503;
}

const destinations = [
  { path: '/dashboard', label: 'Overview' },
  { path: '/contacts', label: 'Contacts' },
  { path: '/deals', label: 'Deals' },
];

/** A whole page. Its policy allows nothing but its own style sheet and forms to its own origin: no script runs, whatever a text contains. */
export async function page(c: DeskContext, { title, body, status = 200 }: PageOptions): Promise<Response> {
  const { name, color } = c.get('tenant');
  const { brand, onBrand, brandText } = paletteOf(color);
  const nonce = c.get('nonce');
  c.header(
    'content-security-policy',
    `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  );
  // Not no-referrer: with it browsers send `Origin: null` with forms, and the origin check would refuse them.
  c.header('referrer-policy', 'same-origin');
  const owner = c.get('owner');
  const markup = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="theme-color" content="${brand}">
<title>${title} · ${name}</title>
<style nonce="${nonce}">
:root { --page: ${pageColor}; --brand: ${brand}; --on-brand: ${onBrand}; --brand-text: ${brandText}; }
${raw(stylesheet)}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="bar"><div class="wrap">
<a class="company" href="/"><span class="monogram" aria-hidden="true">${monogram(name)}</span><span>${name}</span></a>
${
  owner === undefined
    ? ''
    : html`<nav aria-label="Main">${destinations.map(({ path, label }) => html`<a href="${path}"${isAt(c, path) ? raw(' aria-current="page"') : ''}>${label}</a>`)}</nav>
<form class="who" method="post" action="/sign-out"><span title="${owner}">${owner}</span><button class="quiet">Sign out</button></form>`
}
</div></header>
<main id="main" class="wrap">${body}</main>
</body>
</html>`;
  return c.html(markup, status);
}

function isAt(c: DeskContext, path: string): boolean {
  return c.req.path === path || c.req.path.startsWith(`${path}/`);
}

/** Up to two initials. */
export function monogram(name: string): string {
  const initials = name.match(/(?<![\p{L}\p{N}])[\p{L}\p{N}]/gu) ?? ['·'];
  return initials.slice(0, 2).join('').toUpperCase();
}
