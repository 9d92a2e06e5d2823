// burgage gateway: runs the gateway alone, on routes from a file.
import type { Command } from 'commander';
import { examples } from '../session.ts';

/** The flags that every gateway alone is started with; it refuses those that it does not know. */
const flagHelp = `
Flags of the gateway:
  --routes <file>          the routes, one JSON object a line
  --port <port>            where to listen (default 8080)
  --admin-port <port>      where metrics and health are
  --workers <count>        how many threads serve
`;

export function addGateway(program: Command): void {
  program
    .command('gateway')
    .description('run the gateway alone, on routes from a file')
    .usage('--routes <file> [flags]')
    .argument('[flags...]')
    .allowUnknownOption()
    .addHelpText('after', `${flagHelp}${examples('burgage gateway --routes routes.ndjson --port 9301 --workers 1 --admin-port 9302')}`)
    .action(async (flags: readonly string[]) => {
      const { runGatewayAlone } = await import('@burgage/gateway');
      const running = await runGatewayAlone([...flags]);
      await running.stopped;
    });
}
