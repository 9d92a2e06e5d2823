// burgage gateway: runs the gateway alone, on routes from a file.
import type { Command } from 'commander';
import { examples } from '../session.ts';
import type { Terminal } from '../terminal.ts';

export function addGateway(program: Command, terminal: Terminal): void {
  program
    .command('gateway')
    .description('run the gateway alone, on routes from a file')
    .usage('--routes <file> [flags]')
    .argument('[flags...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (flags: readonly string[]) => {
      const { aloneUsage, runGatewayAlone } = await import('@burgage/gateway');
      if (flags.includes('--help') || flags.includes('-h')) {
        const example = examples(terminal, 'gateway --routes routes.ndjson --port 9301 --workers 1 --admin-port 9302');
        process.stdout.write(
          `Usage: burgage gateway --routes <file> [flags]\n\nRun the gateway alone, on routes from a file.\n\n${aloneUsage}${example}`,
        );
        return;
      }
      const running = await runGatewayAlone([...flags]);
      await running.stopped;
    });
}
