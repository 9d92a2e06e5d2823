// What a request for a tenant must look like.
import { createHash } from 'node:crypto';
import { BurgageError, type FieldViolation, invalidField, isBurgageError } from '@burgage/contracts';
import { type Catalog, err, got, ok, type Plan, parseSlug, type Result } from '@burgage/tenancy';
import { parseEmail } from './email.ts';

/** As it came. */
export interface TenantRequest {
  readonly idempotencyKey: string;
  readonly company: string;
  readonly plan: string;
  readonly ownerEmail: string;
  /** Empty: none was asked for. */
  readonly slug: string;
}

/** As it can be carried out. */
export interface TenantWish {
  readonly company: string;
  readonly planName: string;
  readonly plan: Plan;
  readonly ownerEmail: string;
  readonly slug: string | undefined;
}

const companyCharactersMax = 200;
/** Control characters, line and paragraph separators, unpaired surrogates, and what turns the direction of the text around it. */
const unfitForName = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
const letterOrDigit = /[\p{L}\p{N}]/u;

/** `invalid_argument` unless the key is 1 to 255 visible ASCII characters. */
export function parseIdempotencyKey(key: string): Result<string> {
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return ok(key);
  return err(invalidField('idempotency_key', `${got(key)}, expected 1 to 255 visible ASCII characters without spaces`));
}

/** The same for the same body, whatever its key: what a second request under a key is compared by. */
export function fingerprintOf({ company, plan, ownerEmail, slug }: TenantRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([company, plan, ownerEmail, slug]))
    .digest('hex');
}

/**
 * The request against the catalog, every problem at once: a single one keeps its own code (`unknown_plan`, `slug_invalid`,
 * `slug_reserved`, `invalid_argument`), several become one `invalid_argument` whose fields name them all.
 */
export function parseTenantRequest(request: TenantRequest, catalog: Catalog): Result<TenantWish> {
  const company = parseCompany(request.company);
  const plan = parsePlan(request.plan, catalog);
  const ownerEmail = parseOwner(request.ownerEmail);
  const slug = request.slug === '' ? ok(undefined) : inField('slug', parseSlug(request.slug));
  const key = parseIdempotencyKey(request.idempotencyKey);
  if (key.ok && company.ok && plan.ok && ownerEmail.ok && slug.ok) {
    return ok({ company: company.value, planName: request.plan, plan: plan.value, ownerEmail: ownerEmail.value, slug: slug.value });
  }
  return err(together([key, company, plan, ownerEmail, slug].flatMap((result) => (result.ok ? [] : [result.error]))));
}

function parseCompany(text: string): Result<string> {
  const company = text.trim().normalize('NFC');
  const length = [...company].length;
  if (length === 0) return err(invalidField('company', `is missing, expected a name of 1 to ${companyCharactersMax} characters`));
  if (length > companyCharactersMax) return err(invalidField('company', `got ${length} characters, expected 1 to ${companyCharactersMax}`));
  if (unfitForName.test(company)) return err(invalidField('company', `${got(company)}, expected a name without control characters`));
  if (!letterOrDigit.test(company))
    return err(invalidField('company', `${got(company)}, expected a name with at least one letter or digit`));
  return ok(company);
}

/** The plan of this name, or `unknown_plan` naming those there are. */
export function parsePlan(name: string, catalog: Catalog): Result<Plan> {
  const names = Object.keys(catalog.plans);
  const plan = Object.hasOwn(catalog.plans, name) ? catalog.plans[name] : undefined;
  if (!plan) {
    const description = `${got(name)}, expected one of ${names.join(', ')}`;
    return err(
      new BurgageError('unknown_plan', {
        message: `plan: ${description}`,
        fields: [{ field: 'plan', description }],
        metadata: { plans: names.join(',') },
      }),
    );
  }
  return ok(plan);
}

function parseOwner(text: string): Result<string> {
  const email = parseEmail(text.trim());
  if (email !== undefined) return ok(email);
  return err(invalidField('owner_email', `${got(text)}, expected an e-mail address such as owner@example.com, in ASCII before the @`));
}

/** The same error with the field named, where it does not name one. */
function inField<T>(field: string, result: Result<T>): Result<T> {
  if (result.ok || result.error.fields.length > 0 || !isBurgageError(result.error)) return result;
  const { code, message, metadata } = result.error;
  return err(new BurgageError(code, { message, metadata, fields: [{ field, description: message }] }));
}

function together(errors: readonly BurgageError[]): BurgageError {
  const [first, ...more] = errors;
  if (first && more.length === 0) return first;
  const fields: FieldViolation[] = errors.flatMap(({ fields }) => fields);
  return new BurgageError('invalid_argument', {
    message: fields.map(({ field, description }) => `${field}: ${description}`).join('; '),
    fields,
  });
}
