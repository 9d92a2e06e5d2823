// Tests that need real servers: declared in any case, run where the lab has them.
import { afterAll, beforeAll, describe } from 'vitest';
import { isInstalled } from './cache.ts';
import type { OptionsOf, ServerName, ToolName } from './catalogue.ts';
import { LabError } from './errors.ts';
import { whyNot } from './machine.ts';
import { isToolName } from './names.ts';
import type { RunningServer } from './running-server.ts';
import { buildsOf, type ServerRequest, startServer, tool } from './start-server.ts';

/** The servers of a block of tests. */
export interface Lab {
  /** One that the block asked for. Only inside tests and hooks: before, it does not run. */
  server(name: ServerName): RunningServer;
  /** One more, which ends with the block. */
  start<Name extends ServerName>(name: Name, options?: OptionsOf<Name>): Promise<RunningServer>;
  /** The path of a program that the block asked for. */
  tool(name: ToolName): string;
}

/** A server, or a program. */
export type LabRequest = ServerRequest | ToolName;

/** Long enough to build what is missing, on a slow machine. */
const startTimeoutMs = 15 * 60_000;
const stopTimeoutMs = 60_000;

/**
 * Declares tests that need servers and programs. Servers start before the block's own hooks and tests, each on a free
 * port and in a folder of its own, and are gone after it. What happens where one is not installed is said by $LAB:
 * nothing, and the tests are skipped with the reason in their name; `required`, and it is installed, or the tests fail;
 * `off`, and they are skipped in any case.
 */
export function describeWithLab(name: string, requests: readonly LabRequest[], tests: (lab: Lab) => void): void {
  const wantedTools = requests.filter((request) => typeof request === 'string' && isToolName(request));
  const wantedServers = requests.filter((request) => !(typeof request === 'string' && isToolName(request)));
  const names = wantedServers.map((request) => (typeof request === 'string' ? request : request.server));
  const lab = new BlockLab(names);
  const reason = whySkipped([...names, ...wantedTools]);
  if (reason !== undefined) {
    describe.skip(`${name} (${reason})`, () => tests(lab));
    return;
  }
  describe(name, () => {
    beforeAll(() => lab.begin(wantedServers, wantedTools), startTimeoutMs);
    afterAll(() => lab.end(), stopTimeoutMs);
    tests(lab);
  });
}

function whySkipped(names: readonly (ServerName | ToolName)[]): string | undefined {
  const mode = process.env.LAB || 'installed';
  if (mode === 'off') return 'LAB=off';
  if (mode === 'required') return undefined;
  if (mode !== 'installed') throw new LabError(`LAB: got ${JSON.stringify(mode)}, expected required, off or nothing`);
  const missing = names.filter((name) => buildsOf([name]).some((build) => !isInstalled(build)));
  if (missing.length === 0) return undefined;
  const impossible = missing.flatMap((name) => buildsOf([name]).flatMap((build) => whyNot(build) ?? []));
  if (impossible[0] !== undefined) return `needs ${missing.join(', ')}, not possible here: needs ${impossible[0]}`;
  return `needs ${missing.join(', ')}: npm run lab -- install ${missing.join(' ')}`;
}

class BlockLab implements Lab {
  readonly #names: readonly ServerName[];
  readonly #byName = new Map<ServerName, RunningServer>();
  readonly #tools = new Map<ToolName, string>();
  #started: readonly RunningServer[] = [];

  constructor(names: readonly ServerName[]) {
    this.#names = names;
  }

  server(name: ServerName): RunningServer {
    const server = this.#byName.get(name);
    if (server !== undefined) return server;
    throw new LabError(
      this.#names.includes(name)
        ? `${name} does not run yet: ask for it inside a test or a hook`
        : `${name}: got a server that the block did not ask for, expected one of ${this.#names.join(', ')}`,
    );
  }

  async start<Name extends ServerName>(name: Name, options?: OptionsOf<Name>): Promise<RunningServer> {
    const server = await startServer(name, options);
    this.#started = [...this.#started, server];
    return server;
  }

  tool(name: ToolName): string {
    const path = this.#tools.get(name);
    if (path === undefined) throw new LabError(`${name}: got a tool that is not here yet, or that the block did not ask for`);
    return path;
  }

  async begin(requests: readonly ServerRequest[], tools: readonly ToolName[]): Promise<void> {
    for (const name of tools) this.#tools.set(name, await tool(name));
    // All of them have started or failed before `end` runs, which it does in either case.
    throwFirst(
      await Promise.allSettled(
        requests.map(async (request) => {
          const { server: name, options } = typeof request === 'string' ? { server: request, options: undefined } : request;
          this.#byName.set(name, await this.start(name, options));
        }),
      ),
    );
  }

  async end(): Promise<void> {
    throwFirst(await Promise.allSettled(this.#started.map((server) => server.close())));
  }
}

function throwFirst(outcomes: readonly PromiseSettledResult<unknown>[]): void {
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
