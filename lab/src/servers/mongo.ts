// A MongoDB-compatible server for everything but transactions and change streams: FerretDB 2 on PostgreSQL.
import { join } from 'node:path';
import { vendoredGoProgram } from '../go.ts';
import { mongoAnswers } from '../probes.ts';
import type { ServerProduct } from '../product.ts';
import { copyTemplate, documentdb, makeFolder, postgresAnswers, postgresCommand, postgresUrl, runSql } from './documentdb.ts';

export interface MongoOptions {
  /** With both, who does not show them is refused. */
  readonly user?: string;
  readonly password?: string;
  /** Default true: what is acknowledged is on the disk. False is faster, for tests that never pull a plug. */
  readonly fsync?: boolean;
  /** For FerretDB. */
  readonly args?: readonly string[];
}

const version = '2.7.0';
const ferretdb = vendoredGoProgram({
  name: 'ferretdb2',
  version,
  module: 'github.com/FerretDB/FerretDB/v2',
  package: 'github.com/FerretDB/FerretDB/v2/cmd/ferretdb',
  files: { 'build/version/version.txt': `v${version}` },
  usuallySeconds: 35,
});

export const mongo: ServerProduct<MongoOptions> = {
  name: 'mongo',
  summary: 'MongoDB-compatible: FerretDB 2 on PostgreSQL 18',
  builds: [ferretdb, documentdb],
  scheme: 'mongodb',
  usualPort: 27017,
  async prepare({ folder, transient, folderOf }) {
    await copyTemplate(folderOf(documentdb), dataFolder(folder));
    await makeFolder(socketFolder(transient));
  },
  processes({ folder, transient, folderOf, host, port }, { user, password, fsync = true, args = [] }) {
    const build = folderOf(documentdb);
    const sockets = socketFolder(transient);
    const credentials = user === undefined || password === undefined ? undefined : { user, password };
    return [
      {
        name: 'postgres',
        ...postgresCommand(build, 'postgres', [
          '-D',
          dataFolder(folder),
          ...settings({
            unix_socket_directories: sockets,
            'documentdb.localhost_connection_string': `host=${sockets}`,
            ...(fsync ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
          }),
        ]),
        // The fast way down: sessions are ended, not waited for.
        stopSignal: 'SIGINT',
        answers: () => postgresAnswers(build, sockets),
        ...(credentials && { afterStart: () => runSql(build, sockets, createUser(credentials)) }),
      },
      {
        name: 'ferretdb',
        command: join(folderOf(ferretdb), 'ferretdb2'),
        args: [
          `--postgresql-url=${postgresUrl(sockets)}`,
          `--listen-addr=${host}:${port}`,
          `--state-dir=${folder}`,
          '--debug-addr=-',
          '--telemetry=disable',
          '--log-level=WARN',
          credentials === undefined ? '--no-auth' : '--auth',
          ...args,
        ],
        answers: () => mongoAnswers(host, port),
      },
    ];
  },
};

function dataFolder(folder: string): string {
  return join(folder, 'postgresql');
}

/** The path of a socket has at most 107 bytes. */
function socketFolder(transient: string): string {
  return join(transient, 'socket');
}

function settings(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Users are roles of PostgreSQL. Says nothing where it exists: a start after the first. */
function createUser({ user, password }: { readonly user: string; readonly password: string }): string {
  const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const name = `"${user.replaceAll('"', '""')}"`;
  return [
    `SELECT 'CREATE ROLE ${name.replaceAll("'", "''")} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(user)}) \\gexec`,
    `ALTER ROLE ${name} PASSWORD ${literal(password)};`,
    `GRANT documentdb_admin_role TO ${name};`,
    '',
  ].join('\n');
}
