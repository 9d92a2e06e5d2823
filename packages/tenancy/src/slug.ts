// Slugs: a tenant's own label below the base domain, made from the company's name or chosen by hand.
import { BurgageError } from '@burgage/contracts';
import anyAscii from 'any-ascii';
import { got } from './got.ts';
import { crockford, digestOf } from './ids.ts';
import { attachedForms, leadingForms, trailingForms } from './legal-forms.ts';
import { reservedReason } from './reserved.ts';
import { err, ok, type Result } from './result.ts';

const slugLengthMin = 3;
const slugLengthMax = 40;
const suffixLength = 3;
/** Characters of the name's digest behind a slug that needs them, and in place of one that would be empty. */
const digestLength = 4;
const digestAloneLength = 8;
/** How much of a name is read; a slug shows less of it in any script. */
const companyLengthMax = 400;

/** Groups of letters and digits with single hyphens between them: no hyphen first, last or twice, and so no `xn--` either. */
const slugPattern = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
/** Pictures and trade marks, which any-ascii would spell out (`:rocket:`, `(C)`). */
const pictures = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\p{Emoji_Modifier}/gu;
/** Letters with dots between them, `s.a.` or `s.p.a`, which are one word. */
const initials = /(?<![a-z0-9])(?:[a-z]{1,2}\.)+(?:[a-z]{1,2}(?![a-z0-9]))?/g;

/**
 * A slug for a company's name in any script: 3 to 40 characters, valid, not reserved, the same for the same name. The
 * name is transliterated; legal forms are left out where enough is left without them. What is too short or reserved
 * gets four characters of the name's digest behind it, and a name without letters and digits is `tenant-` and eight.
 *
 * Slugs of digits only (`360`) are valid: companies are called so, and below a base domain they are no address.
 *
 * @example slugFromCompany('Größe & Söhne GmbH') // grosse-sohne
 */
export function slugFromCompany(company: string): string {
  const name = company.slice(0, companyLengthMax).replace(pictures, ' ').normalize('NFKC');
  const words = wordsOf(withoutAttachedForms(name));
  const short = joined(withoutForms(words));
  const found = [short, joined(words), joined(wordsOf(name))].find((slug) => parseSlug(slug).ok);
  if (found) return found;
  return short === '' ? `tenant-${digestOf(company, digestAloneLength).toLowerCase()}` : suffixed(short, digestOf(company, digestLength));
}

/** Another slug beside one that is taken, `acme-7k2`: three random characters behind it, within 40. */
export function slugWithSuffix(slug: string, random: { bytes(count: number): Uint8Array }): string {
  return suffixed(slug, crockford(random.bytes(2), suffixLength));
}

/** The slug itself, or `slug_invalid` or `slug_reserved` with what came and what was expected. Nothing is corrected. */
export function parseSlug(text: string): Result<string> {
  if (text.length < slugLengthMin || text.length > slugLengthMax) {
    const came = text === '' ? got(text) : `${got(text)}, which has ${text.length} characters`;
    return refused('slug_invalid', `${came}, expected ${slugLengthMin} to ${slugLengthMax} characters`);
  }
  if (!slugPattern.test(text)) {
    const expected = 'lower-case letters, digits and hyphens, no hyphen first, last or twice in a row';
    return refused('slug_invalid', `${got(text)}, expected ${expected}`);
  }
  const reason = reservedReason(text);
  if (reason === undefined) return ok(text);
  return refused('slug_reserved', `${got(text)}, expected a name that is not reserved: ${reason}`);
}

function refused(code: 'slug_invalid' | 'slug_reserved', description: string): Result<never> {
  return err(new BurgageError(code, { message: `slug: ${description}`, fields: [{ field: 'slug', description }] }));
}

function withoutAttachedForms(name: string): string {
  let rest = name.trim();
  for (const form of attachedForms) {
    if (rest.startsWith(form)) rest = rest.slice(form.length).trim();
    if (rest.endsWith(form)) rest = rest.slice(0, -form.length).trim();
  }
  return rest;
}

/** The name in words of lower-case Latin letters and digits. */
function wordsOf(name: string): string[] {
  return anyAscii(name)
    .toLowerCase()
    .replace(/['"`]/g, '')
    .replace(initials, (dotted) => `${dotted.replaceAll('.', '')} `)
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

/** Without the legal form before the words and those behind them, as long as a word is left. */
function withoutForms(words: readonly string[]): readonly string[] {
  const leading = leadingForms.find((form) => form.length < words.length && form.every((word, i) => word === words[i]));
  let rest = words.slice(leading?.length ?? 0);
  for (;;) {
    const trailing = trailingForms.find(
      (form) => form.length < rest.length && form.every((word, i) => word === rest[rest.length - form.length + i]),
    );
    if (!trailing) return rest;
    rest = rest.slice(0, -trailing.length);
  }
}

/** The words with hyphens between them; cut behind a whole word where that keeps at least half of what fits. */
function joined(words: readonly string[]): string {
  const text = words.join('-');
  if (text.length <= slugLengthMax) return text;
  const wordEnd = text.lastIndexOf('-', slugLengthMax);
  return cut(text, wordEnd >= slugLengthMax / 2 ? wordEnd : slugLengthMax);
}

function suffixed(slug: string, suffix: string): string {
  return `${cut(slug, slugLengthMax - suffix.length - 1)}-${suffix.toLowerCase()}`;
}

function cut(slug: string, length: number): string {
  return slug.slice(0, length).replace(/-$/, '');
}
