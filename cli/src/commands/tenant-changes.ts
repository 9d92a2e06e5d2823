// burgage tenants suspend, resume, plan, move, terminate: changes of one tenant that operations carry out.
import { randomUUID } from 'node:crypto';
import type { Operation, OperationAnswer, Tenant } from '@burgage/api';
import type { Command } from 'commander';
import { calledAs } from '../called.ts';
import { askToType, cannotAsk } from '../confirm.ts';
import { repeatable } from '../failure.ts';
import { watchToEnd } from '../outcome.ts';
import { plainText } from '../render.ts';
import { examples, openSession, outputOption, type Session } from '../session.ts';
import { nameOf, remarks } from '../tenant-text.ts';
import type { Terminal } from '../terminal.ts';

interface ChangeOptions {
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
}

interface TerminateOptions extends ChangeOptions {
  readonly now?: boolean;
  readonly confirm?: string;
  readonly yes?: boolean;
}

const holdOption = ['--hold <hold>', 'why: operator, unpaid or trial_ended (default: operator)'] as const;

export function addTenantChanges(tenants: Command, terminal: Terminal): void {
  const called = calledAs(terminal.env);

  withChange(tenants.command('suspend').description('hold a tenant: it is not served until it is resumed; its data stay'))
    .option(...holdOption)
    .addHelpText('after', examples(terminal, 'tenants suspend grosse-sohne --wait', 'tenants suspend grosse-sohne --hold unpaid -o json'))
    .action(async (tenant: string, { hold, ...options }: ChangeOptions & { hold?: string }, command: Command) =>
      change(openSession(command, terminal), { tenant, verb: 'suspend', body: { hold }, told: 'is being suspended' }, options),
    );

  withChange(tenants.command('resume').description('lift a hold: a tenant without any is served again'))
    .option(...holdOption)
    .addHelpText('after', examples(terminal, 'tenants resume grosse-sohne --wait', 'tenants resume grosse-sohne --hold unpaid'))
    .action(async (tenant: string, { hold, ...options }: ChangeOptions & { hold?: string }, command: Command) =>
      change(openSession(command, terminal), { tenant, verb: 'resume', body: { hold }, told: 'is being resumed' }, options),
    );

  withChange(tenants.command('plan').description('put a tenant on another plan: price, limits and features change, its isolation stays'))
    .argument('<plan>', `a plan of its catalog; ${called} plans shows them`)
    .addHelpText('after', examples(terminal, 'tenants plan grosse-sohne starter --wait'))
    .action(async (tenant: string, plan: string, options: ChangeOptions, command: Command) =>
      change(openSession(command, terminal), { tenant, verb: 'plan', body: { plan }, told: 'is being put on another plan' }, options),
    );

  withChange(tenants.command('move').description('move a tenant to another isolation; its requests wait meanwhile'))
    .option('--to <isolation>', 'required: pool, bridge or silo')
    .addHelpText('after', examples(terminal, 'tenants move grosse-sohne --to silo --wait'))
    .action(async (tenant: string, { to, ...options }: ChangeOptions & { to?: string }, command: Command) =>
      change(openSession(command, terminal), { tenant, verb: 'move', body: { isolation: to }, told: 'is being moved' }, options),
    );

  withChange(tenants.command('terminate').description('close a tenant, back it up and remove it, after the grace period of its plan'))
    .option('--now', 'without the grace period; the backup is made all the same')
    .option('--confirm <slug>', 'the slug once more: what a terminal asks for, and what is needed where there is none')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      examples(terminal, 'tenants terminate grosse-sohne', 'tenants terminate grosse-sohne --now --confirm grosse-sohne --wait'),
    )
    .action(async (tenant: string, options: TerminateOptions, command: Command) => {
      const session = openSession(command, terminal);
      const confirm = options.confirm ?? (await confirmedSlug(session, tenant, options));
      const told = options.now ? 'is being closed, backed up and removed' : 'is being closed';
      await change(session, { tenant, verb: 'terminate', body: { confirm, now: options.now }, told }, options);
    });
}

/** What every change takes. */
function withChange(command: Command): Command {
  return command
    .argument('<tenant>', 'its id or its slug')
    .option('--idempotency-key <key>', 'repeating the command with the same key makes nothing twice')
    .option('--wait', 'wait until it is done, showing each step')
    .addOption(outputOption());
}

interface Change {
  readonly tenant: string;
  readonly verb: string;
  readonly body: object;
  /** What happens to the tenant, after its name. */
  readonly told: string;
}

async function change(session: Session, { tenant, verb, body, told }: Change, { idempotencyKey, wait }: ChangeOptions): Promise<void> {
  const { client, asJson, called, style, terminal } = session;
  const key = idempotencyKey ?? randomUUID();
  const answer = await client
    .post<OperationAnswer>(`/v1/tenants/${encodeURIComponent(tenant)}/${verb}`, body, { 'idempotency-key': key })
    .catch((thrown: unknown) => {
      throw repeatable(thrown, key);
    });
  if (wait) {
    const ended = await watchToEnd(session, answer.operation.id);
    if (asJson) session.print(ended, () => '');
    else for (const line of remarks(ended.tenant, called)) terminal.out(`${style.yellow('•')} ${line}\n`);
    return;
  }
  session.print(answer, ({ operation }) => changeText(session, operation, told));
}

function changeText({ called, style }: Session, { id, tenant, summary, state, endedAt }: Operation, told: string): string {
  const name = style.bold(plainText(tenant.slug ?? tenant.id));
  const what = summary === undefined ? '' : ` (${plainText(summary)})`;
  if (endedAt !== undefined) {
    return `${name}${what}: ${state.replaceAll('_', ' ')}\n${style.dim('look at it with:')} ${called} operations get ${id}\n`;
  }
  return `${name} ${told}${what}\n${style.dim('follow it with:')} ${called} operations watch ${id}\n`;
}

/** The slug of the tenant, once the user has typed it or said that they need not be asked. @throws CommandFailure. */
async function confirmedSlug(session: Session, tenant: string, { now, yes }: TerminateOptions): Promise<string> {
  const { client, terminal } = session;
  if (!yes && !terminal.canAsk) throw cannotAsk('--confirm', 'the slug of the tenant');
  const found = await client.get<Tenant>(`/v1/tenants/${encodeURIComponent(tenant)}`);
  const slug = nameOf(found);
  if (yes) return slug;
  terminal.err(`${plainText(`${slug} (${found.company})`)} will be closed${now ? closesNow : closesLater(found)}\n`);
  await askToType(session, slug);
  return slug;
}

const closesNow = ' at once: backed up, then removed. This cannot be taken back.';

function closesLater({ gracePeriodDays: days }: Tenant): string {
  return `: its users are turned away at once. After ${days === 1 ? 'a day' : `${days} days`} it is backed up\nand removed; until then it can be taken back by cancelling the operation.`;
}
