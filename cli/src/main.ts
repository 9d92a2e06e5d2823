// The burgage command: hands the process over to the program and leaves with its exit code.
import { run } from './program.ts';
import { processTerminal } from './terminal.ts';

const code = await run(process.argv.slice(2), processTerminal());
// A gateway that this process kept the ports for may have ended with a code of its own.
process.exitCode ??= code;
