// A small MongoDB-compatible server: FerretDB 1 on SQLite. Slow beyond a few hundred documents, without TTL and partial indexes: for conformance only.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { vendoredGoProgram } from '../go.ts';
import { mongoAnswers } from '../probes.ts';
import type { ServerProduct } from '../product.ts';

export interface MongoSmallOptions {
  /** With both, who does not show them is refused. */
  readonly user?: string;
  readonly password?: string;
  readonly args?: readonly string[];
}

const version = '1.24.0';

/** Each command that writes waits for its turn. */
const oneByOne = `package handler

import (
	"context"
	"sync"

	"github.com/FerretDB/wire"
)

type handle = func(context.Context, *wire.OpMsg) (*wire.OpMsg, error)

var writing sync.Mutex

func oneByOne(f handle) handle {
	return func(ctx context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
		writing.Lock()
		defer writing.Unlock()
		return f(ctx, msg)
	}
}
`;
const writes = ['Insert', 'Update', 'FindAndModify', 'Delete'];

/**
 * Not as published, in two ways, as no MongoDB behaves so and no program can do without: an update reads and writes in
 * two steps, so that of ten that compare and set at once ten succeed; and setting an object to one that differs only in
 * the names of its fields changes nothing.
 */
const build = vendoredGoProgram({
  name: 'ferretdb1-atomic',
  program: 'ferretdb1',
  version,
  module: 'github.com/FerretDB/FerretDB',
  package: 'github.com/FerretDB/FerretDB/cmd/ferretdb',
  files: { 'build/version/version.txt': `v${version}`, 'internal/handler/one_by_one.go': oneByOne },
  edits: {
    'internal/handler/commands.go': writes.map((name) => ({ from: `h.Msg${name},`, to: `oneByOne(h.Msg${name}),` })),
    'internal/types/identical.go': [
      { from: '_, aField, err', to: 'aKey, aField, err' },
      { from: '_, bField, err', to: 'bKey, bField, err' },
      { from: 'if !Identical(aField, bField) {', to: 'if any(aKey) != any(bKey) || !Identical(aField, bField) {' },
    ],
  },
  usuallySeconds: 55,
});

export const mongoSmall: ServerProduct<MongoSmallOptions> = {
  name: 'mongo-small',
  summary: 'MongoDB-compatible: FerretDB 1 on SQLite, for conformance',
  builds: [build],
  scheme: 'mongodb',
  usualPort: 27018,
  async prepare({ folder }) {
    await mkdir(join(folder, 'data'), { recursive: true });
  },
  processes: ({ folderOf, folder, host, port }, { args = [], user, password }) => [
    {
      name: 'ferretdb',
      command: join(folderOf(build), 'ferretdb1'),
      args: [
        '--handler=sqlite',
        `--sqlite-url=file:${join(folder, 'data')}/`,
        `--state-dir=${folder}`,
        `--listen-addr=${host}:${port}`,
        '--debug-addr=-',
        '--telemetry=disable',
        '--log-level=WARN',
        ...(user === undefined || password === undefined ? [] : ['--test-enable-new-auth']),
        ...args,
      ],
      ...(user !== undefined &&
        password !== undefined && {
          env: { FERRETDB_SETUP_DATABASE: 'admin', FERRETDB_SETUP_USERNAME: user, FERRETDB_SETUP_PASSWORD: password },
        }),
      answers: () => mongoAnswers(host, port),
    },
  ],
};
