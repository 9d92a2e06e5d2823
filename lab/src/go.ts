// Installations by Go: a program of a module as it is published, or of one that wants a file beside its sources.
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './errors.ts';
import type { Build, ToolProduct } from './product.ts';

export interface GoProgram {
  readonly name: string;
  /** Of the module, without the `v`. */
  readonly version: string;
  /** What the binary shall be called; default: the name. */
  readonly program?: string;
  /** The import path of the main package. */
  readonly package: string;
  readonly usuallySeconds: number;
}

/** Static and without debug symbols; nothing of the user's Go settings or of a folder around the cache has a say. */
const environment = { CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' } as const;
const flags = ['-trimpath', '-ldflags=-s -w'] as const;

/** `go install` of a published program. The binary is `<folder>/<program>`. */
export function goProgram({ name, version, program = name, package: path, usuallySeconds }: GoProgram): Build {
  return {
    name,
    version,
    needs: ['go'],
    usuallySeconds,
    async install(folder, { scratch, run }) {
      await run('go', ['install', ...flags, `${path}@v${version}`], { cwd: scratch, env: { ...environment, GOBIN: scratch } });
      // The last part of the path that is not a major version is the binary's name.
      const built = path.split('/').findLast((part) => !/^v\d+$/.test(part)) ?? name;
      await cp(join(scratch, built), join(folder, program));
    },
  };
}

export interface VendoredGoProgram extends GoProgram {
  readonly module: string;
  /** Files that the published module lacks, by path in the module -> content. */
  readonly files: Readonly<Record<string, string>>;
  /** What is not as published, by path in the module. A new set of them wants a new name. */
  readonly edits?: Readonly<Record<string, readonly Edit[]>>;
}

export interface Edit {
  readonly from: string;
  readonly to: string;
}

/** A program whose module lacks files that its build wants: vendored into a module of our own, completed, and built there. */
export function vendoredGoProgram({
  module,
  files,
  edits = {},
  package: path,
  program,
  name,
  version,
  usuallySeconds,
}: VendoredGoProgram): Build {
  return {
    name,
    version,
    needs: ['go'],
    usuallySeconds,
    async install(folder, { scratch, run }) {
      const go = (...args: string[]): Promise<string> => run('go', args, { cwd: scratch, env: environment });
      await writeFile(join(scratch, 'go.mod'), `module burgage.invalid/lab\n\ngo 1.24\n\nrequire ${module} v${version}\n`);
      // A main package may not be imported, but for a build that never happens.
      await writeFile(join(scratch, 'wanted.go'), `//go:build never\n\npackage wanted\n\nimport _ "${path}"\n`);
      await go('mod', 'tidy');
      await go('mod', 'vendor');
      for (const [file, content] of Object.entries(files)) {
        const target = join(scratch, 'vendor', module, file);
        await mkdir(join(target, '..'), { recursive: true });
        await writeFile(target, content);
      }
      for (const [file, changes] of Object.entries(edits)) await edit(join(scratch, 'vendor', module, file), changes);
      await go('build', '-mod=vendor', '-buildvcs=false', ...flags, '-o', join(folder, program ?? name), path);
    },
  };
}

async function edit(file: string, changes: readonly Edit[]): Promise<void> {
  let text = await readFile(file, 'utf8');
  for (const { from, to } of changes) {
    if (!text.includes(from)) throw new LabError(`${file}: expected ${JSON.stringify(from)}, which is not there`);
    text = text.replaceAll(from, to);
  }
  await writeFile(file, text);
}

/** A program of Go as a tool. */
export function goTool(summary: string, program: GoProgram): ToolProduct {
  const build = goProgram(program);
  const { name, program: file = name } = program;
  return { name, summary, builds: [build], path: (folderOf) => join(folderOf(build), file) };
}
