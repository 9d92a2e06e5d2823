// burgage tenants: signing a company up, listing tenants, reading one; what changes one is in tenant-changes.ts.
import { randomUUID } from 'node:crypto';
import type { Operation, SignUpAnswer, Tenant } from '@burgage/api';
import type { Command } from 'commander';
import { calledAs } from '../called.ts';
import { repeatable } from '../failure.ts';
import { watchToEnd } from '../outcome.ts';
import { plainText } from '../render.ts';
import { examples, openSession, outputOption, type PageOptions, type Session, sayMore, withPages } from '../session.ts';
import { tenantFacts, tenantTable } from '../tenant-text.ts';
import type { Terminal } from '../terminal.ts';
import { addTenantChanges } from './tenant-changes.ts';

interface CreateOptions {
  readonly company?: string;
  readonly plan?: string;
  readonly owner?: string;
  readonly slug?: string;
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
}

export function addTenants(program: Command, terminal: Terminal): void {
  const tenants = program
    .command('tenants')
    .description('customer organisations: sign up, list, look at, change, end')
    .addHelpText('after', examples(terminal, 'tenants list', 'tenants get grosse-sohne', 'tenants move grosse-sohne --to silo --wait'));

  tenants
    .command('create')
    .description('sign a company up')
    .option('--company <name>', 'required: the name as its people write it, in any script')
    .option('--plan <plan>', `required: a plan of the catalog; ${calledAs(terminal.env)} plans shows them`)
    .option('--owner <email>', 'required: the e-mail address of the person who will own it')
    .option('--slug <slug>', 'its own label below the base domain (default: made from the company name)')
    .option('--idempotency-key <key>', 'repeating the command with the same key makes nothing twice')
    .option('--wait', 'wait until it is live, showing each step')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        terminal,
        'tenants create --company "Größe & Söhne GmbH" --plan trial --owner owner@acme.test --wait',
        'tenants create --company Acme --plan trial --owner owner@acme.test --slug acme --idempotency-key order-4711 -o json',
      ),
    )
    .action(async (options: CreateOptions, command: Command) => createTenant(openSession(command, terminal), options));

  withPages(tenants.command('list').description('list tenants, newest first'))
    .option('--state <state>', 'only those in this state: requested, provisioning, active, failed, terminating, terminated')
    .option('--plan <plan>', 'only those on this plan')
    .addHelpText('after', examples(terminal, 'tenants list', 'tenants list --state active --plan trial -o json'))
    .action(async (options: PageOptions & { state?: string; plan?: string }, command: Command) => {
      const session = openSession(command, terminal);
      const { pageSize, pageToken, state, plan } = options;
      const page = await session.client.get<{ items: Tenant[]; next?: string }>('/v1/tenants', { pageSize, pageToken, state, plan });
      session.print(page, ({ items }) => (items.length === 0 ? 'No tenants.\n' : tenantTable(session, items)));
      sayMore(session, page.next);
    });

  tenants
    .command('get')
    .description('show one tenant')
    .argument('<tenant>', 'its id or its slug')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'tenants get grosse-sohne', 'tenants get ten_01JD3Q8Z6V7K4M2N9P0R5S1T3W -o json'))
    .action(async (tenant: string, _options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const found = await session.client.get<Tenant>(`/v1/tenants/${encodeURIComponent(tenant)}`);
      const closing = session.asJson ? undefined : await closingOf(session, found);
      session.print(found, () => tenantFacts(session, found, closing));
    });

  addTenantChanges(tenants, terminal);
}

/** The operation that closes the tenant, where one does; what it says is worth showing, never worth failing for. */
async function closingOf({ client }: Session, { state, operationId }: Tenant): Promise<Operation | undefined> {
  if (state !== 'terminating' || operationId === undefined) return undefined;
  return client.get<Operation>(`/v1/operations/${encodeURIComponent(operationId)}`).catch(() => undefined);
}

async function createTenant(session: Session, { idempotencyKey, wait, company, plan, owner, slug }: CreateOptions): Promise<void> {
  const { client, asJson, called, style } = session;
  const key = idempotencyKey ?? randomUUID();
  const answer = await client
    .post<SignUpAnswer>('/v1/tenants', { company, plan, owner, slug }, { 'idempotency-key': key })
    .catch((thrown: unknown) => {
      throw repeatable(thrown, key);
    });
  if (wait) {
    const ended = await watchToEnd(session, answer.operation.id);
    if (asJson) session.print({ ...answer, ...ended }, () => '');
    return;
  }
  session.print(answer, ({ tenant, operation, url, estimateMs }) => {
    const name = plainText(tenant.slug ?? tenant.id);
    const usually = `usually within ${Math.ceil(estimateMs / 1000)} s`;
    return `${style.bold(name)} is being made, ${usually}:  ${plainText(url)}\n${style.dim('follow it with:')} ${called} operations watch ${operation.id}\n`;
  });
}
