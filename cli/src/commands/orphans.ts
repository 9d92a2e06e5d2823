// burgage orphans: what was made for tenants and nobody owns any more, and removing it.
import type { DeletedOrphans, Orphan, OrphanList } from '@burgage/api';
import type { Command } from 'commander';
import { askYes, cannotAsk } from '../confirm.ts';
import { plainText } from '../render.ts';
import { examples, openSession, outputOption, type Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';

/** What each kind is; a kind that only a newer platform knows has its own name. */
const kinds: Readonly<Record<string, string>> = {
  instance: 'a process that serves no tenant',
  database: 'a database that no tenant uses',
  files: 'files that no tenant has',
  upstream: 'an upstream that leads to no tenant',
  port: 'a port that is kept for no tenant',
};
/** As many as the API takes in one request. */
const batchSize = 500;

export function addOrphans(program: Command, terminal: Terminal): void {
  program
    .command('orphans')
    .description('list what was made for tenants and nobody owns any more, or remove it')
    .option('--delete', 'remove exactly what is shown, after asking')
    .option('--yes', 'do not ask')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'orphans', 'orphans --delete', 'orphans --delete --yes -o json'))
    .action(async (options: { delete?: boolean; yes?: boolean }, command: Command) => {
      const session = openSession(command, terminal);
      if (options.delete) return deleteOrphans(session, options.yes === true);
      const list = await session.client.get<OrphanList>('/v1/orphans');
      const advice = `\nNobody owns ${list.items.length === 1 ? 'this' : 'these'}. Remove with: ${session.called} orphans --delete\n`;
      session.print(list, ({ items }) => (items.length === 0 ? nothing : orphanTable(session, items) + advice));
    });
}

const nothing = 'No orphans: everything has an owner.\n';

async function deleteOrphans(session: Session, yes: boolean): Promise<void> {
  const { client, terminal, asJson } = session;
  if (!yes && !terminal.canAsk) throw cannotAsk('--yes', 'a yes');
  const { items } = await client.get<OrphanList>('/v1/orphans');
  if (items.length === 0) return session.print<DeletedOrphans>({ deleted: [], skipped: [] }, () => nothing);
  (asJson ? terminal.err : terminal.out)(orphanTable(session, items));
  if (!yes && !(await askYes(session, `Delete ${items.length === 1 ? 'it' : `these ${items.length}`} for good?`))) {
    return session.print<DeletedOrphans>({ deleted: [], skipped: [] }, () => 'Nothing was deleted.\n');
  }
  const answer: DeletedOrphans = { deleted: [], skipped: [] };
  for (let from = 0; from < items.length; from += batchSize) {
    const ids = items.slice(from, from + batchSize).map(({ id }) => id);
    const { deleted, skipped } = await client.delete<DeletedOrphans>('/v1/orphans', { ids });
    answer.deleted.push(...deleted);
    answer.skipped.push(...skipped);
  }
  session.print(answer, ({ deleted, skipped }) =>
    [
      `\n${deleted.length} deleted.\n`,
      ...skipped.map((id) => `${session.style.yellow('left alone:')} ${plainText(id)}, which has an owner by now or is gone\n`),
    ].join(''),
  );
}

function orphanTable(session: Session, orphans: readonly Orphan[]): string {
  return session.table(
    [
      { title: 'ORPHAN', value: ({ id }) => id },
      { title: 'WHAT IT IS', value: ({ kind, detail }) => [kinds[kind] ?? kind, detail].filter(Boolean).join(': '), elastic: 24 },
    ],
    orphans,
  );
}
