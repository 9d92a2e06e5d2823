// Puts tenants into lines: a table of many, the facts of one, and what a person may have to do about them.
import type { Operation, Tenant } from '@burgage/api';
import { ageOf, facts, plainText, sizeOf, untilOf } from './render.ts';
import type { Session } from './session.ts';

/** What people call the tenant. */
export function nameOf({ id, slug, formerSlug }: Tenant): string {
  return slug ?? formerSlug ?? id;
}

function crashes({ instance }: Tenant): boolean {
  return instance !== undefined && (instance.state === 'backing_off' || instance.restarts > 0);
}

function stateOf(tenant: Tenant): string {
  const words = [tenant.state, ...(tenant.moving ? ['moving'] : []), ...(crashes(tenant) ? ['crashing'] : [])].join(', ');
  return tenant.holds.length === 0 ? words : `${words} (${tenant.holds.join(', ')})`;
}

/** `running`, or how often it was started again and why. */
function instanceText({ state, restarts, lastExit }: NonNullable<Tenant['instance']>): string {
  const again = restarts === 0 ? [] : [`started again ${restarts === 1 ? 'once' : `${restarts} times`}`];
  const last = lastExit === undefined ? [] : [`last time it ${lastExit}`];
  return [state.replaceAll('_', ' '), ...again, ...last].join(', ');
}

function pendingText(tenant: Tenant, called: string): string | undefined {
  const { pendingIsolation } = tenant;
  return pendingIsolation && `a move to ${pendingIsolation} is pending: ${called} tenants move ${nameOf(tenant)} --to ${pendingIsolation}`;
}

/** What a person may want to know or do about the tenant, a line each. */
export function remarks(tenant: Tenant, called: string): string[] {
  const { isolationNote, instance, state, operationId } = tenant;
  const lines = [
    pendingText(tenant, called),
    isolationNote,
    crashes(tenant) && instance ? `its process is ${instanceText(instance)}` : undefined,
    state === 'terminating' && operationId
      ? `it is being closed; until when it can be taken back: ${called} operations get ${operationId}`
      : undefined,
  ];
  return lines.filter((line) => line !== undefined).map((line) => plainText(`${nameOf(tenant)}: ${line}`));
}

/** One line a tenant, and below them the remarks. */
export function tenantTable(session: Session, tenants: readonly Tenant[]): string {
  const { style, terminal, called } = session;
  const color = (text: string, tenant: Tenant) => {
    if (tenant.state === 'failed' || tenant.holds.length > 0 || crashes(tenant)) return style.red(text);
    return tenant.state === 'active' && !tenant.moving ? style.green(text) : style.yellow(text);
  };
  const table = session.table(
    [
      { title: 'SLUG', value: ({ slug, formerSlug }) => slug ?? (formerSlug ? `(${formerSlug})` : ''), elastic: 20 },
      { title: 'COMPANY', value: ({ company }) => company, elastic: 8 },
      { title: 'PLAN', value: ({ plan }) => plan },
      {
        title: 'ISOLATION',
        value: ({ isolation = '', pendingIsolation }) => (pendingIsolation ? `${isolation} (${pendingIsolation} pending)` : isolation),
        optional: true,
      },
      { title: 'STATE', value: stateOf, style: color },
      { title: 'AGE', value: ({ createdAt }) => ageOf(createdAt, terminal.now()), right: true },
      { title: 'URL', value: ({ url }) => url ?? '', optional: true },
    ],
    tenants,
  );
  const below = tenants.flatMap((tenant) => remarks(tenant, called)).map((line) => `${style.yellow('•')} ${line}\n`);
  return below.length === 0 ? table : `${table}\n${below.join('')}`;
}

/** All of one tenant; `closing` is the operation that closes it, where one does and could be read. */
export function tenantFacts({ style, terminal, called }: Session, tenant: Tenant, closing?: Operation): string {
  const { limits, isolation } = tenant;
  const pending = pendingText(tenant, called);
  const { slugQuarantineEndsAt: keptUntil } = tenant;
  const kept = keptUntil && `, which nobody else gets until ${keptUntil}`;
  return facts(
    [
      ['tenant', tenant.id],
      ['slug', tenant.slug ?? (tenant.formerSlug === undefined ? undefined : `none (was ${tenant.formerSlug}${kept ?? ''})`)],
      ['url', tenant.url],
      ['company', tenant.company],
      ['owner', tenant.owner],
      ['state', stateOf(tenant)],
      ['failure', tenant.failure],
      ['closing', closing && closingText(closing, terminal.now(), called)],
      ['plan', `${tenant.plan} (catalog ${tenant.catalog})`],
      ['isolation', isolation && (pending === undefined ? isolation : `${isolation} (${pending})`)],
      ['note', tenant.isolationNote],
      ['instance', tenant.instance && instanceText(tenant.instance)],
      [
        'limits',
        limits &&
          `${limits.requestsPerSecond} requests a second, ${limits.concurrency} at once${limits.bodyBytesMax === 0 ? '' : `, bodies up to ${sizeOf(limits.bodyBytesMax)}`}`,
      ],
      ['features', tenant.features.join(', ') || 'none'],
      ['hosts', tenant.hosts.join(', ') || 'none'],
      ['upstream', tenant.upstream],
      ['created', `${tenant.createdAt} (${ageOf(tenant.createdAt, terminal.now())} ago)`],
      ['trial ends', tenant.trialEndsAt],
      ['operation', tenant.operationId],
      ['version', String(tenant.version)],
    ],
    style.dim,
  );
}

function closingText({ id, pastReturn, steps, dueAt }: Operation, now: Date, called: string): string {
  if (pastReturn) return 'its data are being removed: it can no longer be taken back';
  const waits = dueAt !== undefined && steps.some(({ state }) => state === 'waiting');
  const when = waits ? `its data go at ${dueAt} (${untilOf(dueAt, now)})` : 'its data are about to go';
  return `${when}; until then it is taken back with ${called} operations cancel ${id}`;
}
