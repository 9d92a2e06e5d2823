// `npm run lab`: installs the servers and programs of the lab, starts and stops servers by hand, shows what there is.
import { BurgageError } from '@burgage/contracts';
import { nearest, runMain, systemClock } from '@burgage/runtime';
import { folderOf, isInstalled } from './cache.ts';
import type { ServerName, ToolName } from './catalogue.ts';
import { LabError } from './errors.ts';
import { install } from './install.ts';
import { whyNot } from './machine.ts';
import { readNames, readServerNames, serverNames, toolNames } from './names.ts';
import type { Build } from './product.ts';
import { buildsOf, serverProduct, toolProduct } from './start-server.ts';
import { statusText, table } from './status.ts';
import { startAttendant, takeDown, upServers } from './up.ts';

const usage = `Real servers for tests, benchmarks and a try by hand, without containers.

npm run lab -- COMMAND [NAME …]

  install [NAME …]  installs these, or all that this machine can have
  up NAME …         starts servers in the background, on their usual ports where those are free, and shows their URLs
  down [NAME …]     stops these servers, or all, and removes their data
  status            what is installed, what runs and where, what this machine cannot have and why

Servers
${table(serverNames.map((name) => [name, serverProduct(name).summary])).join('\n')}

Programs
${table(toolNames.map((name) => [name, toolProduct(name).summary])).join('\n')}

Environment
  BURGAGE_LAB_CACHE  where everything is installed (default: burgage-lab in $XDG_CACHE_HOME or ~/.cache)
  LAB                for tests: required installs what is missing, and fails where that cannot be; off skips
`;

const commands: Readonly<Record<string, (words: readonly string[]) => Promise<void>>> = {
  install: (words) => (words.length === 0 ? installPossible() : installNamed(readNames(words))),
  up: async (words) => {
    if (words.length === 0)
      throw new BurgageError('command_invalid', { message: `up: got no name, expected some of ${serverNames.join(', ')}` });
    await up(readServerNames(words));
  },
  down: (words) => down(readServerNames(words)),
  async status(words) {
    if (words.length > 0)
      throw new BurgageError('command_invalid', { message: `status: got ${words.join(' ')}, expected nothing after it` });
    process.stdout.write(statusText(await upServers()));
  },
};

async function main([command, ...words]: readonly string[]): Promise<void> {
  if (command === undefined) {
    process.stdout.write(usage);
    return;
  }
  const option = [command, ...words].find((word) => word.startsWith('-'));
  if (option !== undefined)
    throw new BurgageError('command_invalid', {
      message: `${option}: is no option; expected --help, or ${Object.keys(commands).join(', ')}`,
    });
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (run !== undefined) return await run(words);
  const meant = nearest(command, Object.keys(commands));
  const hint = meant === undefined ? `expected ${Object.keys(commands).join(', ')}` : `did you mean ${meant}?`;
  throw new BurgageError('command_invalid', { message: `${command}: is no command; ${hint}` });
}

async function installPossible(): Promise<void> {
  const all = buildsOf([...serverNames, ...toolNames]);
  const impossible = all.filter((build) => !isInstalled(build) && whyNot(build) !== undefined);
  for (const build of impossible) say(`${build.name} ${build.version} is not possible here: it needs ${whyNot(build)}`);
  if (impossible.length > 0 && process.env.LAB === 'required') throw new LabError('LAB=required, and not all can be installed here');
  await installAll(all.filter((build) => !impossible.includes(build)));
}

async function installNamed(names: readonly (ServerName | ToolName)[]): Promise<void> {
  await installAll(buildsOf(names));
}

/** Those of a kind one after the other, as one build of Go uses all cores; the kinds beside each other. */
async function installAll(builds: readonly Build[]): Promise<void> {
  const missing = builds.filter((build) => !isInstalled(build));
  for (const build of builds) if (!missing.includes(build)) say(`${build.name} ${build.version} is installed: ${folderOf(build)}`);
  const failures: string[] = [];
  const installKind = async (kind: readonly Build[]): Promise<void> => {
    for (const build of kind) {
      try {
        await install(build, { say });
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
  };
  await Promise.all(
    Map.groupBy(missing, ({ needs }) => needs.join())
      .values()
      .map(installKind),
  );
  if (failures.length > 0) throw new LabError(failures.join('\n'));
}

async function up(names: readonly ServerName[]): Promise<void> {
  const running = await upServers();
  const wanted = names.filter((name) => !running.some((server) => server.name === name));
  await installAll(buildsOf(wanted).filter((build) => !isInstalled(build)));
  const outcomes = await Promise.allSettled(wanted.map(startAttendant));
  const shown = [
    ...running.filter(({ name }) => names.includes(name)),
    ...outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
  ];
  for (const line of table(shown.map(({ name, url, folder }) => [name, url, `data and logs in ${folder}`]))) say(line);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason?.message)] : []));
  if (failures.length > 0) throw new LabError(failures.join('\n'));
  say('They run in the background until `npm run lab -- down`, which removes their data too.');
}

async function down(names: readonly ServerName[]): Promise<void> {
  const running = await upServers();
  for (const name of names) if (!running.some((server) => server.name === name)) say(`${name} does not run`);
  const wanted = names.length === 0 ? running : running.filter(({ name }) => names.includes(name));
  if (names.length === 0 && running.length === 0) say('nothing runs');
  await Promise.all(
    wanted.map(async (server) => {
      await takeDown(server, systemClock);
      say(`${server.name} is down`);
    }),
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await runMain(usage, main);
