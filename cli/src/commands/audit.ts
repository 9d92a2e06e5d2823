// burgage audit: who asked for which change, and what became of it.
import type { AuditEntry } from '@burgage/api';
import type { Command } from 'commander';
import { ageOf } from '../render.ts';
import { examples, openSession, type PageOptions, sayMore, withPages } from '../session.ts';
import type { Terminal } from '../terminal.ts';

export function addAudit(program: Command, terminal: Terminal): void {
  const audit = program.command('audit').description('changes that were asked for').addHelpText('after', examples(terminal, 'audit list'));

  withPages(audit.command('list').description('list changes that were asked for, newest first, made or refused'))
    .addHelpText('after', examples(terminal, 'audit list', 'audit list --page-size 200 -o json'))
    .action(async ({ pageSize, pageToken }: PageOptions, command: Command) => {
      const session = openSession(command, terminal);
      const { style } = session;
      const page = await session.client.get<{ items: AuditEntry[]; next?: string }>('/v1/audit', { pageSize, pageToken });
      session.print(page, ({ items }) => {
        if (items.length === 0) return 'No changes were asked for yet.\n';
        return session.table(
          [
            { title: '#', value: ({ revision }) => String(revision), right: true },
            { title: 'AGE', value: ({ time }) => ageOf(time, terminal.now()), right: true },
            { title: 'WHO', value: ({ actor }) => actor },
            { title: 'WHAT', value: ({ action, detail }) => (detail === undefined ? action : `${action} ${detail}`), elastic: 24 },
            { title: 'TARGET', value: ({ target, targetName }) => targetName ?? target ?? '', elastic: 12 },
            {
              title: 'OUTCOME',
              value: ({ outcome, code }) => code ?? outcome,
              style: (text, { outcome }) => ({ succeeded: style.green, repeated: style.dim, failed: style.red })[outcome](text),
            },
            { title: 'REQUEST', value: ({ requestId }) => requestId, optional: true },
          ],
          items,
        );
      });
      sayMore(session, page.next);
    });
}
