// What a catalog file may contain: the schema that checks it, types it and helps editors with it.
import { z } from 'zod';
import { isolations } from './isolation.ts';

// Each schema's error is what was expected; the reader puts what came and where in front of it. A check that fails is the
// last one (abort), so that a value has one problem.
const wholeNumber = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error, abort: true }).max(max, { error });
};

const text = (lengthMax: number) => {
  const error = `text of 1 to ${lengthMax} characters`;
  return z.string({ error }).min(1, { error, abort: true }).max(lengthMax, { error });
};

const name = () => {
  const error = 'a name of 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter';
  return z
    .string({ error })
    .max(40, { error, abort: true })
    .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, { error });
};

const mapping = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: (issue) => (issue.code === 'invalid_type' ? `a mapping with ${Object.keys(shape).join(', ')}` : undefined),
  });

const currencies = new Set(Intl.supportedValuesOf('currency'));
const currencyError = 'a currency code of ISO 4217, such as USD';
const pathError = 'a path that begins with / and has no spaces, ? or #';

const limits = mapping({
  requestsPerSecond: wholeNumber(1, 1_000_000).describe('Requests a second that the gateway lets through, with a burst of as many.'),
  concurrency: wholeNumber(1, 1_000_000).describe('Requests in flight at once.'),
  bodyBytesMax: wholeNumber(0, 2 ** 40).describe("The largest request body, in bytes; 0 means the gateway's own bound."),
});

const plan = mapping({
  title: text(80).describe('The name of the plan on invoices and pages.'),
  priceMinor: wholeNumber(0, 1_000_000_000).describe(
    "Price of a month, in the smallest unit of the catalog's currency: 9900 is 99 dollars.",
  ),
  isolation: z
    .enum(isolations, { error: `one of ${isolations.join(', ')}` })
    .describe('pool: shared app and database; bridge: shared app, own database; silo: own processes and database.'),
  trialDays: wholeNumber(1, 365).optional().describe('Days until the trial ends; absent on a plan that is no trial.'),
  gracePeriodDays: wholeNumber(0, 365)
    .optional()
    .describe('Days between the end of a trial or the due date of an invoice and the hold that follows; absent means none.'),
  limits: limits.describe('What the gateway lets a tenant on this plan do.'),
  features: z
    .array(name(), { error: 'a list of feature names' })
    .max(100, { error: 'at most 100 features', abort: true })
    .superRefine((features, context) => {
      for (const [i, feature] of features.entries()) {
        if (features.indexOf(feature) < i) context.addIssue({ code: 'custom', path: [i], message: 'each feature once' });
      }
    })
    .describe('The features that the plan switches on in the app.'),
}).describe('What a tenant pays for.');

/** A catalog as it stands in its file. */
export const catalogSchema = mapping({
  name: name().describe('The name of the catalog; kept with every tenant that signs up from it.'),
  title: text(80).describe('The name of the product.'),
  currency: z
    .string({ error: currencyError })
    .regex(/^[A-Z]{3}$/, { error: currencyError, abort: true })
    .refine((code) => currencies.has(code), { error: currencyError })
    .describe('The ISO 4217 code of the currency of every price.'),
  app: mapping({
    name: name().describe('The name of the app; its shared upstream is called after it.'),
    entry: text(1024).describe("The app's main module, relative to the catalog file."),
    readyPath: z
      .string({ error: pathError })
      .max(200, { error: pathError, abort: true })
      .regex(/^\/[^\s?#]*$/, { error: pathError })
      .describe('The path that answers 200 once the app is ready.'),
  }).describe('The app that serves the tenants.'),
  plans: z
    .record(name(), plan, { error: 'a mapping of plan names to plans' })
    .refine((plans) => Object.keys(plans).length > 0, { error: 'at least one plan' })
    .describe('The plans by name, in the order in which they are offered.'),
});

/** A JSON Schema (draft 7, which editors read) of a catalog file. */
export function catalogJsonSchema(): object {
  return z.toJSONSchema(catalogSchema, { target: 'draft-7', io: 'input' });
}
