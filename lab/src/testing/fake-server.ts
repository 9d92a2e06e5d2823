// A server that needs nothing installed, and the program that starts it and waits: `node fake-server.ts`.
import { httpAnswers } from '../probes.ts';
import type { ServerProduct } from '../product.ts';
import { run } from '../running-server.ts';

export interface FakeOptions {
  /** Ends with this code instead of answering. */
  readonly exitCode?: number;
}

/** Answers with its environment, the id of a child that has left its session, and how often it was started on its folder. */
export interface FakeAnswer {
  readonly env: Readonly<Record<string, string>>;
  readonly child: number;
  readonly starts: number;
}

const program = `
  const { spawn } = require('node:child_process');
  const { appendFileSync, statSync } = require('node:fs');
  const [port, folder, exitCode] = process.argv.slice(1);
  console.log('fake server says hello');
  if (exitCode) process.exit(Number(exitCode));
  appendFileSync(folder + '/starts', '.');
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
  const answer = () => JSON.stringify({ env: process.env, child: child.pid, starts: statSync(folder + '/starts').size });
  require('node:http').createServer((_, response) => response.end(answer())).listen(Number(port), '127.0.0.1');
`;

export const fakeServer: ServerProduct<FakeOptions> = {
  name: 'fake',
  summary: 'a server for tests of the lab',
  builds: [],
  scheme: 'http',
  usualPort: 29_999,
  processes: ({ folder, host, port }, { exitCode }) => [
    {
      name: 'fake',
      command: process.execPath,
      args: ['-e', program, String(port), folder, ...(exitCode === undefined ? [] : [String(exitCode)])],
      answers: () => httpAnswers(`http://${host}:${port}/`),
    },
  ],
};

export async function askFake(url: string): Promise<FakeAnswer> {
  return (await (await fetch(url)).json()) as FakeAnswer;
}

if (import.meta.main) {
  const server = await run(fakeServer, {});
  const { child } = await askFake(server.url);
  process.stdout.write(`${JSON.stringify({ url: server.url, pids: [server.pid, child], folder: server.folder })}\n`);
  // `exit` ends without a word to anybody; otherwise a test ends this process.
  if (process.argv[2] === 'exit') process.exit(0);
  setInterval(() => undefined, 60_000);
}
