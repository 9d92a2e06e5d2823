// The burgage command: hands the process over to the program and leaves with its exit code.
import { run } from './program.ts';
import { processTerminal } from './terminal.ts';

process.exitCode = await run(process.argv.slice(2), processTerminal());
