// What the gateway answers with in its own or a tenant's name: a small page, or a problem, by what the client accepts.
import { errorCatalogue } from '@burgage/contracts';
import type { Branding } from '@burgage/tenancy';
import type { Refusal } from './refusal.ts';

export interface Answer {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** Also given for HEAD, whose answer carries only the headers. */
  readonly body: string;
  readonly close: boolean;
}

export interface AnswerFacts {
  readonly accept?: string | undefined;
  readonly requestId: string;
  /** Where the request belongs to a tenant: the page has its name and colour. */
  readonly branding?: Branding | undefined;
}

const colorPattern = /^#[0-9a-f]{6}$/i;
const neutralColor = '#5b6470';

/** The longest Retry-After that is said, in seconds. */
const retryAfterSecondsMax = 3600;

/** The answer to a request that is refused. */
export function answerRefusal(refusal: Refusal, facts: AnswerFacts): Answer {
  const { http: status, sentence, advice, blame } = errorCatalogue[refusal.code];
  const headers = ['X-Request-Id', facts.requestId, 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff', 'Vary', 'Accept'];
  if (refusal.retryAfterMs !== undefined) headers.push('Retry-After', String(retryAfterSeconds(refusal.retryAfterMs)));
  let body: string;
  if (prefersHtml(facts.accept)) {
    headers.push('Content-Type', 'text/html; charset=utf-8', 'Referrer-Policy', 'no-referrer');
    headers.push(
      'Content-Security-Policy',
      `default-src 'none'; style-src 'nonce-${facts.requestId}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    body = page({ status, sentence, advice, ...facts });
  } else {
    headers.push('Content-Type', 'application/problem+json');
    // What is wrong with a request is told to who sent it; what is wrong with us is in our log.
    const detail = blame === 'caller' && refusal.detail !== undefined ? `${sentence} (${refusal.detail})` : sentence;
    body = `${JSON.stringify({ type: `urn:burgage:error:${refusal.code}`, title: sentence, status, detail, code: refusal.code, advice, requestId: facts.requestId })}\n`;
  }
  headers.push('Content-Length', String(Buffer.byteLength(body)));
  return { status, headers, body, close: refusal.close === true };
}

/** Whole seconds, at least one: a client that comes back earlier would be refused again. */
export function retryAfterSeconds(ms: number): number {
  return Math.min(Math.max(Math.ceil(ms / 1000), 1), retryAfterSecondsMax);
}

/** True where the client names HTML and likes it at least as much as JSON; `*` alone is a program (RFC 9110 section 12.5.1). */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  let html = 0;
  let json = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const quality = weight === undefined ? 1 : Number(weight);
    if (Number.isNaN(quality)) continue;
    if (type === 'text/html' || type === 'application/xhtml+xml') html = Math.max(html, quality);
    if (type === 'application/json' || type === 'application/problem+json') json = Math.max(json, quality);
  }
  return html > 0 && html >= json;
}

interface PageParts extends AnswerFacts {
  readonly status: number;
  readonly sentence: string;
  readonly advice: string;
}

function page({ status, sentence, advice, requestId, branding }: PageParts): string {
  const color = branding !== undefined && colorPattern.test(branding.color) ? branding.color : neutralColor;
  const name = branding?.name ?? '';
  const title = name === '' ? sentence : `${name}: ${sentence}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style nonce="${escapeHtml(requestId)}">
:root { color-scheme: light dark; --accent: ${color}; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; font: 1rem/1.55 system-ui, sans-serif; background: Canvas; color: CanvasText; }
main { width: min(34rem, 100%); padding: 2rem 2.25rem; border: 1px solid color-mix(in srgb, CanvasText 15%, Canvas); border-top: .4rem solid var(--accent); border-radius: .75rem; }
.name { margin: 0 0 1.25rem; font-weight: 600; color: color-mix(in srgb, var(--accent) 75%, CanvasText); overflow-wrap: anywhere; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0; }
footer { margin-top: 2rem; font-size: .8125rem; color: color-mix(in srgb, CanvasText 60%, Canvas); overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
${name === '' ? '' : `<p class="name">${escapeHtml(name)}</p>\n`}<h1>${escapeHtml(sentence)}</h1>
<p>${escapeHtml(advice)}</p>
<footer>${status} · Request ${escapeHtml(requestId)}</footer>
</main>
</body>
</html>
`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that stays text wherever it stands in a page. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
