// burgage plans: what a tenant can be signed up to.
import type { PlanList } from '@burgage/api';
import type { Command } from 'commander';
import { examples, openSession, outputOption } from '../session.ts';
import type { Terminal } from '../terminal.ts';

export function addPlans(program: Command, terminal: Terminal): void {
  program
    .command('plans')
    .description('show the plans of the catalog')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'plans', 'plans -o json'))
    .action(async (_options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const list = await session.client.get<PlanList>('/v1/plans');
      session.print(list, ({ items, currency }) =>
        session.table(
          [
            { title: 'PLAN', value: ({ name }) => name },
            { title: 'TITLE', value: ({ title }) => title, elastic: 12 },
            { title: 'PRICE', value: ({ priceMinor }) => priceOf(priceMinor, currency), right: true },
            { title: 'ISOLATION', value: ({ isolation }) => isolation },
            { title: 'REQUESTS/S', value: ({ limits }) => String(limits.requestsPerSecond), right: true },
            { title: 'AT ONCE', value: ({ limits }) => String(limits.concurrency), right: true },
            { title: 'TRIAL', value: ({ trialDays }) => (trialDays === undefined ? '' : `${trialDays} days`) },
          ],
          items,
        ),
      );
    });
}

/** Minor units as people write them: 9900 USD -> `$99.00`. */
export function priceOf(minor: number, currency: string): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
