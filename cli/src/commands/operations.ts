// burgage operations: listing them, reading one, following one, cancelling one, having one try again.
import type { Operation, OperationAnswer, Step } from '@burgage/api';
import type { Command } from 'commander';
import { watchToEnd } from '../outcome.ts';
import { ageOf, facts, tookOf, untilOf } from '../render.ts';
import { examples, openSession, outputOption, type PageOptions, type Session, sayMore, withPages } from '../session.ts';
import { markOf, stepsDone } from '../steps.ts';
import type { Terminal } from '../terminal.ts';

const example = 'op_provision_01JD3Q8Z6V7K4M2N9P0R5S1T3W';

export function addOperations(program: Command, terminal: Terminal): void {
  const operations = program
    .command('operations')
    .description('durable changes to tenants: list, look at, follow, cancel, retry')
    .addHelpText('after', examples(terminal, 'operations list', `operations watch ${example}`));

  withPages(operations.command('list').description('list operations, newest first'))
    .option('--tenant <tenant>', 'only those of this tenant: its id or its slug')
    .addHelpText('after', examples(terminal, 'operations list', 'operations list --tenant grosse-sohne -o json'))
    .action(async ({ pageSize, pageToken, tenant }: PageOptions & { tenant?: string }, command: Command) => {
      const session = openSession(command, terminal);
      const page = await session.client.get<{ items: Operation[]; next?: string }>('/v1/operations', { pageSize, pageToken, tenant });
      session.print(page, ({ items }) => (items.length === 0 ? 'No operations.\n' : operationTable(session, items)));
      sayMore(session, page.next);
    });

  operations
    .command('get')
    .description('show one operation with its steps')
    .argument('<operation>', 'its id')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, `operations get ${example}`))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const operation = await session.client.get<Operation>(`/v1/operations/${encodeURIComponent(id)}`);
      session.print(operation, () => operationFacts(session, operation) + stepTable(session, operation));
    });

  operations
    .command('watch')
    .description('follow one operation to its end; exit code 7 where it fails, is cancelled or needs attention')
    .argument('<operation>', 'its id')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, `operations watch ${example}`))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const { operation } = await watchToEnd(session, id);
      if (session.asJson) session.print(operation, () => '');
    });

  operations
    .command('cancel')
    .description('undo an operation that has not reached its point of no return')
    .argument('<operation>', 'its id')
    .option('--wait', 'wait until everything is undone, showing each step')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, `operations cancel ${example} --wait`))
    .action(async (id: string, { wait }: { wait?: boolean }, command: Command) => {
      const session = openSession(command, terminal);
      const answer = await session.client.post<OperationAnswer>(`/v1/operations/${encodeURIComponent(id)}/cancel`, {});
      if (wait) return showEnd(session, answer, 'cancelled');
      session.print(answer, ({ operation: { state } }) =>
        state === 'cancelled'
          ? `${id} is cancelled; everything that it had done is undone\n`
          : `${id} is being undone\n${followText(session, id)}`,
      );
    });

  operations
    .command('retry')
    .description('have an operation go on that needs attention, or that waits for its next attempt')
    .argument('<operation>', 'its id')
    .option('--wait', 'wait until it has ended, showing each step')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, `operations retry ${example} --wait`))
    .action(async (id: string, { wait }: { wait?: boolean }, command: Command) => {
      const session = openSession(command, terminal);
      const answer = await session.client.post<OperationAnswer>(`/v1/operations/${encodeURIComponent(id)}/retry`, {});
      if (wait) return showEnd(session, answer, 'succeeded');
      session.print(answer, () => `${id} goes on\n${followText(session, id)}`);
    });
}

/** Follows what was asked of an operation to its end; what had happened before is not shown again. */
async function showEnd(
  session: Session,
  { operation: { id, sequence } }: OperationAnswer,
  wanted: 'succeeded' | 'cancelled',
): Promise<void> {
  const ended = await watchToEnd(session, id, { after: sequence, wanted });
  if (session.asJson) session.print(ended, () => '');
}

function followText({ style, called }: Session, id: string): string {
  return `${style.dim('follow it with:')} ${called} operations watch ${id}\n`;
}

/** `move pool → silo` */
function whatOf({ kind, summary }: Operation): string {
  return [kind.replaceAll('_', ' '), summary].filter((word) => word !== undefined).join(' ');
}

function colorOf({ style }: Session, { state }: Operation): (text: string) => string {
  if (state === 'succeeded') return style.green;
  if (state === 'cancelled') return style.dim;
  return state === 'failed' || state === 'needs_attention' ? style.red : style.yellow;
}

function operationTable(session: Session, operations: readonly Operation[]): string {
  return session.table(
    [
      { title: 'OPERATION', value: ({ id }) => id },
      { title: 'TENANT', value: ({ tenant }) => tenant.slug ?? tenant.id, elastic: 16 },
      { title: 'WHAT', value: whatOf, optional: true },
      { title: 'STATE', value: ({ state }) => state.replaceAll('_', ' '), style: (text, operation) => colorOf(session, operation)(text) },
      { title: 'STEPS', value: stepsDone, right: true },
      { title: 'TOOK', value: ({ createdAt, endedAt }) => tookOf(createdAt, endedAt), right: true, optional: true },
      { title: 'AGE', value: ({ createdAt }) => ageOf(createdAt, session.terminal.now()), right: true },
    ],
    operations,
  );
}

function operationFacts(session: Session, operation: Operation): string {
  const { tenant, state, error, pointOfNoReturn, pastReturn, dueAt, deadlineAt, endedAt } = operation;
  const now = session.terminal.now();
  const open = state === 'needs_attention' || endedAt === undefined;
  return facts(
    [
      ['operation', operation.id],
      ['kind', whatOf(operation)],
      ['tenant', tenant.slug === undefined ? tenant.id : `${tenant.slug} (${tenant.id})`],
      ['state', state.replaceAll('_', ' ')],
      ['error', error && `${error.message} [${error.code}]`],
      ['what to do', operation.attention],
      ['go on with', state === 'needs_attention' ? `${session.called} operations retry ${operation.id}` : undefined],
      ['no return', open && pointOfNoReturn ? noReturnText(pointOfNoReturn, pastReturn) : undefined],
      ['due', dueAt && Date.parse(dueAt) > now.getTime() ? `${dueAt} (${untilOf(dueAt, now)})` : undefined],
      ['ends by', open && deadlineAt ? `${deadlineAt} (${untilOf(deadlineAt, now)})` : undefined],
      ['created', `${operation.createdAt} (${ageOf(operation.createdAt, now)} ago)`],
      ['took', tookOf(operation.createdAt, endedAt) || undefined],
    ],
    session.style.dim,
  );
}

function noReturnText(step: string, past: boolean): string {
  return past ? `passed with ${step}: it only goes forward` : `from ${step} on; until then it can be cancelled`;
}

function stepTable(session: Session, { steps, error: reason }: Operation): string {
  if (steps.length === 0) return '';
  /** The step that the operation was undone for stays the one that failed. */
  const shown = ({ state, error }: Step) =>
    state === 'undone' && error !== undefined && error.message === reason?.message ? 'failed' : state;
  const columns = [
    {
      title: '',
      value: (step: Step) => markOf(shown(step), false),
      style: (_text: string, step: Step) => markOf(shown(step), session.terminal.color),
    },
    { title: 'STEP', value: ({ name }: Step) => name },
    { title: 'STATE', value: (step: Step) => (shown(step) === step.state ? step.state.replaceAll('_', ' ') : 'failed, undone') },
    { title: 'TRIES', value: ({ attempts }: Step) => (attempts === 0 ? '' : String(attempts)), right: true },
    { title: 'TOOK', value: ({ startedAt, endedAt }: Step) => tookOf(startedAt, endedAt), right: true },
    {
      title: 'DETAIL',
      value: ({ detail, error }: Step) => (error === undefined ? (detail ?? '') : `${error.message} [${error.code}]`),
      elastic: 12,
    },
  ];
  return `\n${session.table(columns, steps)}`;
}
