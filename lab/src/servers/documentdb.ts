// PostgreSQL with the documentdb extension, which FerretDB 2 stands on: Debian's packages, run with their own libraries beside the system's.
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../command.ts';
import { unpackDebian } from '../debian.ts';
import { launchWithOwnLibraries } from '../own-libraries.ts';
import type { Build, Workshop } from '../product.ts';

const major = '18';
const binaries = `usr/lib/postgresql/${major}/bin`;
const superuser = 'postgres';

/** The user `nobody`: who PostgreSQL runs as where we are root, which it refuses. */
const nobody = 65_534;
/**
 * Arguments of setpriv. `nobody` keeps the one right to pass through folders of root's, as it would not even find the
 * program in a cache below /root; and keeps it where a program asks what the user may, not what it may (access(2)).
 */
const asNobody = [
  `--reuid=${nobody}`,
  `--regid=${nobody}`,
  '--clear-groups',
  '--inh-caps=+dac_override',
  '--ambient-caps=+dac_override',
  '--securebits=+no_setuid_fixup',
] as const;

/** Only this release of Debian has the extension. */
export const documentdb: Build = {
  name: 'postgresql-documentdb',
  version: major,
  needs: ['debian'],
  usuallySeconds: 25,
  async install(folder, workshop) {
    const packages = [`postgresql-${major}`, `postgresql-${major}-documentdb`];
    await unpackDebian(folder, workshop, { packages, dependencies: true, suite: 'sid' });
    // What PostGIS leaves to its installation: which of its versions is the one.
    const extensions = join(folder, `usr/share/postgresql/${major}/extension`);
    await symlink('postgis-3.control', join(extensions, 'postgis.control'));
    for (const program of ['initdb', 'pg_isready', 'postgres', 'psql'])
      await launchWithOwnLibraries(folder, `${binaries}/${program}`, [`usr/lib/postgresql/${major}/lib`]);
    await makeTemplate(folder, workshop);
  },
};

/** A folder with the data of an empty database that has the extension, unless it is there: a copy, as making it takes seconds. */
export async function copyTemplate(build: string, target: string): Promise<void> {
  if (existsSync(target)) return;
  const part = `${target}.part`;
  await rm(part, { recursive: true, force: true });
  await runCommand('cp', ['--archive', '--reflink=auto', template(build), part]);
  await rename(part, target);
}

/** A folder that PostgreSQL may write into. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (isRoot()) await runCommand('chown', [`${nobody}:${nobody}`, folder]);
}

/** The command that runs `program` of PostgreSQL as a user that it accepts. */
export function postgresCommand(build: string, program: string, args: readonly string[]): { command: string; args: readonly string[] } {
  const path = join(build, binaries, program);
  if (!isRoot()) return { command: path, args };
  return { command: 'setpriv', args: [...asNobody, path, ...args] };
}

/** Runs SQL as the superuser on a server whose socket is in `socketFolder`; stops at the first error. */
export async function runSql(build: string, socketFolder: string, sql: string): Promise<void> {
  const { command, args } = postgresCommand(build, 'psql', [
    '--no-psqlrc',
    '--quiet',
    '--set=ON_ERROR_STOP=1',
    `--host=${socketFolder}`,
    `--username=${superuser}`,
    'postgres',
  ]);
  await runCommand(command, args, { input: sql });
}

/** Whether a server whose socket is in `socketFolder` takes connections. */
export async function postgresAnswers(build: string, socketFolder: string): Promise<boolean> {
  const { command, args } = postgresCommand(build, 'pg_isready', ['--quiet', `--host=${socketFolder}`]);
  await runCommand(command, args);
  return true;
}

/** Where FerretDB finds a server whose socket is in `socketFolder`. */
export function postgresUrl(socketFolder: string): string {
  return `postgres://${superuser}@/postgres?host=${encodeURIComponent(socketFolder)}`;
}

async function makeTemplate(folder: string, { run }: Workshop): Promise<void> {
  const data = template(folder);
  await makeFolder(data);
  const postgres = async (program: string, parameters: readonly string[], input?: string): Promise<void> => {
    const { command, args } = postgresCommand(folder, program, parameters);
    await run(command, args, input === undefined ? {} : { input });
  };
  // Needs no locale of the machine's. What the processes of one machine may do is kept by the folder of the socket.
  await postgres('initdb', [
    `--pgdata=${data}`,
    `--username=${superuser}`,
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ]);
  const configuration = [
    "listen_addresses = ''",
    "shared_preload_libraries = 'pg_cron, pg_documentdb_core, pg_documentdb'",
    "cron.database_name = 'postgres'",
    // Its other way is a connection over TCP.
    'cron.use_background_workers = on',
    'cron.log_run = off',
    'cron.log_statement = off',
    'max_worker_processes = 32',
    'max_connections = 200',
    '',
  ];
  await writeFile(join(data, 'postgresql.auto.conf'), configuration.join('\n'));
  const statements = [
    'CREATE EXTENSION documentdb CASCADE',
    // Else once a minute: what has expired is gone before a test loses patience.
    "UPDATE cron.job SET schedule = '5 seconds' WHERE command LIKE '%delete_expired_rows%'",
    '',
  ];
  await postgres('postgres', ['--single', '-D', data, '-c', 'exit_on_error=on', 'postgres'], statements.join('\n'));
}

function template(build: string): string {
  return join(build, 'template');
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
