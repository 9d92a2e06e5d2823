// The route file of a gateway that runs alone: one JSON object a line, each a host with its tenant and backends.
import { BurgageError, type FieldViolation } from '@burgage/contracts';
import { err, normalizeHost, normalizeHostPattern, ok, type Result, tenantStates } from '@burgage/tenancy';
import { z } from 'zod';
import { type RouteNames, RouteTable } from './route-table.ts';

/** More problems than this are not listed: the file is another one than was meant. */
const problemsMax = 20;

const limitSchema = z.int().min(0).max(4_000_000_000);
const lineSchema = z.strictObject({
  host: z.string(),
  tenant: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 'expected up to 128 letters, digits, "_", "." and "-"'),
  plan: z.string().max(64).default(''),
  state: z.enum(tenantStates).default('active'),
  holds: z.array(z.enum(['operator', 'unpaid', 'trial_ended'])).default([]),
  backends: z.array(z.string()),
  limits: z
    .strictObject({
      requestsPerSecond: limitSchema.default(0),
      concurrency: limitSchema.default(0),
      bodyBytesMax: z.int().min(0).default(0),
    })
    .optional(),
  name: z.string().max(200).default(''),
  color: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, 'expected a colour as #rrggbb')
    .default(''),
});

type Line = z.output<typeof lineSchema>;

/**
 * The table of a route file. A tenant may have several hosts; its lines must say the same of it. Empty lines and lines that
 * begin with `#` are skipped. Every bad line, up to twenty, is in one `route_file_invalid` as `file:line` with the reason.
 */
export function parseRouteFile(text: string, file: string, names: RouteNames): Result<RouteTable> {
  const table = new RouteTable(names);
  const problems: FieldViolation[] = [];
  const hosts = new Map<string, number>();
  const tenants = new Map<string, { readonly terms: number; readonly number: number }>();
  /** A number for each: many tenants say the same of themselves. */
  const termsKnown = new Map<string, number>();
  let found = 0;
  let number = 0;
  const report = (description: string) => {
    found += 1;
    if (problems.length < problemsMax) problems.push({ field: `${file}:${number}`, description });
  };

  for (const line of linesOf(text)) {
    number += 1;
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const parsed = parseLine(trimmed);
    if (!parsed.ok) {
      report(parsed.error);
      continue;
    }
    const { host, tenant, ...rest } = parsed.value;
    const earlier = hosts.get(host);
    if (earlier !== undefined) {
      report(`host: ${JSON.stringify(host)} was given on line ${earlier} before`);
      continue;
    }
    hosts.set(host, number);
    const said = JSON.stringify(rest);
    const terms = termsKnown.get(said) ?? termsKnown.size;
    termsKnown.set(said, terms);
    const known = tenants.get(tenant);
    if (known !== undefined && known.terms !== terms) {
      report(`tenant: ${JSON.stringify(tenant)} was described otherwise on line ${known.number}`);
      continue;
    }
    if (known === undefined) {
      tenants.set(tenant, { terms, number });
      addTenant(table, parsed.value);
    }
    table.apply({ kind: 'host', key: host, version: 1, removed: false, entity: { kind: 'host', host, tenantId: tenant } });
  }

  if (found === 0) return ok(table);
  const more = found > problems.length ? `; and ${found - problems.length} more` : '';
  const message = problems.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return err(new BurgageError('route_file_invalid', { message: message + more, fields: problems }));
}

/** One after the other: a million at once would be as much again as the file. */
function* linesOf(text: string): Generator<string> {
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    yield text.slice(start, end);
    start = end + 1;
  }
  yield text.slice(start);
}

function parseLine(text: string): Result<Line, string> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return err(`is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const parsed = lineSchema.safeParse(content);
  if (!parsed.success) return err(parsed.error.issues.map((issue) => inWords(issue, content)).join(', '));
  const host = normalizeHostPattern(parsed.data.host);
  if (!host.ok) return err(host.error.message);
  for (const [index, backend] of parsed.data.backends.entries()) {
    if (!isAddress(backend)) return err(`backends.${index}: got ${JSON.stringify(backend)}, expected host:port`);
  }
  return ok({ ...parsed.data, host: host.value });
}

/** What came at the place of an issue, and what was expected there. */
function inWords(issue: z.core.$ZodIssue, content: unknown): string {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${[...issue.path, key].join('.')}: is not known`).join(', ');
  const came = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], content);
  const expected = issue.code === 'invalid_type' ? `expected ${issue.expected}` : issue.message.replace(/^[^:]*: /, '').toLowerCase();
  const field = issue.path.length > 0 ? issue.path.join('.') : 'the line';
  return came === undefined ? `${field}: is missing, ${expected}` : `${field}: got ${JSON.stringify(came)}, ${expected}`;
}

function isAddress(text: string): boolean {
  const port = Number(/:(\d{1,5})$/.exec(text)?.[1]);
  return port >= 1 && port <= 65535 && normalizeHost(text).ok;
}

function addTenant(table: RouteTable, { tenant, plan, state, holds, backends, limits, name, color }: Line): void {
  // Tenants with the same backends share an upstream, and with it what is seen of their health.
  const upstream = backends.length === 0 ? 'none' : backends.toSorted().join(',');
  const endpoints = backends.map((address) => ({ address, weight: 1, zone: '' }));
  table.apply({ kind: 'upstream', key: upstream, version: 1, removed: false, entity: { kind: 'upstream', name: upstream, endpoints } });
  table.apply({
    kind: 'tenant',
    key: tenant,
    version: 1,
    removed: false,
    entity: {
      kind: 'tenant',
      tenantId: tenant,
      slug: '',
      plan,
      state,
      holds,
      ...(limits && { limits }),
      features: [],
      upstream,
      isolation: '',
      entitlementVersion: 1,
      branding: { name, color },
      platform: false,
      moving: false,
    },
  });
}
