// burgage gateways and burgage explain: which gateways are connected, and what they would do with an address.
import type { ExplainAnswer, Gateway, GatewayList } from '@burgage/api';
import type { Command } from 'commander';
import { explanationText } from '../explanation.ts';
import { ageOf, plainText } from '../render.ts';
import { examples, openSession, outputOption } from '../session.ts';
import type { Terminal } from '../terminal.ts';

export function addGateways(program: Command, terminal: Terminal): void {
  const gateways = program
    .command('gateways')
    .description('gateways that follow the registry')
    .addHelpText('after', examples(terminal, 'gateways list'));

  gateways
    .command('list')
    .description('list the connected gateways and how far each is')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'gateways list', 'gateways list -o json'))
    .action(async (_options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const { style } = session;
      const list = await session.client.get<GatewayList>('/v1/gateways');
      session.print(list, ({ items, revision }) => {
        if (items.length === 0) return `No gateway is connected. The routes are at revision ${revision}.\n`;
        return session.table(
          [
            { title: 'GATEWAY', value: ({ id }) => id },
            { title: 'ADMIN', value: ({ adminAddress }) => adminAddress ?? '' },
            { title: 'REVISION', value: ({ appliedRevision }) => String(appliedRevision), right: true },
            {
              title: 'STATE',
              value: (gateway) => stateOf(gateway, list),
              style: (text, { inSync, twin }) => (inSync && twin === undefined ? style.green(text) : style.yellow(text)),
            },
            { title: 'SEEN', value: ({ lastSeenAt }) => (lastSeenAt === undefined ? '' : `${ageOf(lastSeenAt, terminal.now())} ago`) },
          ],
          items,
        );
      });
    });

  gateways
    .command('accept-snapshot')
    .description('let a gateway apply the snapshot that it holds back because it would remove many hosts')
    .argument('<gateway>', 'its id')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'gateways accept-snapshot gw-1'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const answer = await session.client.post<{ id: string }>(`/v1/gateways/${encodeURIComponent(id)}/accept-snapshot`, {});
      session.print(answer, () => `The gateway ${id} applies the snapshot.\n`);
    });

  program
    .command('explain')
    .description('say what each gateway would do with an address, and why')
    .argument('<url>', 'the address; without a scheme http:// is meant')
    .addOption(outputOption())
    .addHelpText('after', examples(terminal, 'explain http://grosse-sohne.localhost:8080/', 'explain grosse-sohne.localhost -o json'))
    .action(async (url: string, _options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      const answer = await session.client.get<ExplainAnswer>('/v1/explain', {
        url: url === '' || /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`,
      });
      session.print(answer, ({ gateways, note }) =>
        [
          ...gateways.map((one) => explanationText(one, session.style)),
          ...(note === undefined ? [] : [`${session.style.yellow('note:')} ${plainText(note)}\n`]),
        ].join('\n'),
      );
    });
}

function stateOf(gateway: Gateway, head: GatewayList): string {
  const { twin } = gateway;
  if (twin === undefined) return progressOf(gateway, head);
  return `${progressOf(gateway, head)}; another one${twin.adminAddress === undefined ? '' : ` (${twin.adminAddress})`} has the same id`;
}

function progressOf({ epoch, appliedRevision, snapshotHeld, inSync }: Gateway, head: GatewayList): string {
  if (snapshotHeld) return 'holds a snapshot back';
  if (epoch !== head.epoch) return 'on another epoch';
  return inSync ? 'in sync' : `${head.revision - appliedRevision} behind`;
}
