// Installations from Debian's archive: downloaded by apt with lists and folders of our own, and unpacked; nothing of the system changes.
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './errors.ts';
import { debianSuite } from './machine.ts';
import { launchWithOwnLibraries } from './own-libraries.ts';
import type { Build, ToolProduct, Workshop } from './product.ts';

export interface DebianPackages {
  readonly packages: readonly string[];
  /** With all that they depend on, as if nothing was installed: to run them with their own libraries. Default false. */
  readonly dependencies?: boolean;
  /** Of those, what is left out, with all that it alone brings along. */
  readonly without?: readonly string[];
  /** Default: the release that this machine runs, so that its libraries fit. */
  readonly suite?: string;
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Unpacks `packages` below `folder`. What their maintainers would have run at an installation does not run. */
export async function unpackDebian(
  folder: string,
  { scratch, run }: Workshop,
  { packages, dependencies = false, without = [], suite = debianSuite() }: DebianPackages,
): Promise<void> {
  if (suite === undefined) throw new LabError('suite: got none, expected this machine to run a release of Debian');
  const at = (name: string): string => join(scratch, name);
  for (const path of ['lists/partial', 'archives/partial', 'none']) await mkdir(at(path), { recursive: true });
  await writeFile(at('status'), without.map(asInstalled).join(''));
  const signed = existsSync(keyring) ? ` [signed-by=${keyring}]` : '';
  await writeFile(at('sources.list'), `deb${signed} ${await mirror(run)} ${suite} main\n`);
  // On the command line, as nothing in the machine's own configuration overrules that; its proxies and mirrors stay.
  const settings = {
    'Dir::State::lists': at('lists'),
    'Dir::State::status': at('status'),
    'Dir::Cache::archives': at('archives'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'Dir::Etc::sourcelist': at('sources.list'),
    'Dir::Etc::sourceparts': at('none'),
    'Dir::Etc::preferences': at('none/preferences'),
    'Dir::Etc::preferencesparts': at('none'),
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'Acquire::Retries': '3',
  };
  const apt = (...args: string[]): Promise<string> =>
    run('apt-get', [...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]), '--quiet', ...args], {
      cwd: at('archives'),
      env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    });
  await apt('update', '--error-on=any');
  if (dependencies) await apt('install', '--yes', '--download-only', ...packages);
  else await apt('download', ...packages);
  const files = (await readdir(at('archives'))).filter((name) => name.endsWith('.deb'));
  for (const file of files) await run('dpkg-deb', ['--extract', join(at('archives'), file), folder]);
}

/** What apt reads of a package that is there, in any version that others may ask for. */
function asInstalled(name: string): string {
  return `Package: ${name}\nStatus: install ok installed\nArchitecture: all\nVersion: 999:0\n\n`;
}

/** What packages depend on for their installation and for being kept as services: a program runs without. */
const forInstallation = ['adduser', 'debconf', 'init-system-helpers', 'iproute2', 'lsb-base'];

export interface DebianProgram {
  readonly name: string;
  /** Those that the program is in; what they depend on comes too. */
  readonly packages: readonly string[];
  /** Its path in them. */
  readonly program: string;
  /** What they depend on and this program does not. */
  readonly without?: readonly string[];
  readonly usuallySeconds: number;
}

/** A program of the release that this machine runs, which says what version it is, with its own libraries. */
export function debianProgram({ name, packages, program, without = [], usuallySeconds }: DebianProgram): Build {
  return {
    name,
    version: 'debian',
    needs: ['debian'],
    usuallySeconds,
    async install(folder, workshop) {
      await unpackDebian(folder, workshop, { packages, dependencies: true, without: [...forInstallation, ...without] });
      await launchWithOwnLibraries(folder, program);
    },
  };
}

/** A program of Debian's as a tool. */
export function debianTool(summary: string, program: DebianProgram): ToolProduct {
  const build = debianProgram(program);
  return { name: program.name, summary, builds: [build], path: (folderOf) => join(folderOf(build), program.program) };
}

/** Where this machine gets Debian's main archive from. */
async function mirror(run: Workshop['run']): Promise<string> {
  const lines = await run('apt-get', ['update', '--print-uris']);
  const suites: readonly (string | undefined)[] = [debianSuite(), 'stable', 'testing', 'unstable', 'sid'];
  for (const [, uri, suite] of lines.matchAll(/^'(\S+)\/dists\/([^/\s]+)\/InRelease'/gm)) {
    if (uri !== undefined && suites.includes(suite)) return uri;
  }
  throw new LabError('apt has no source with the main archive of Debian');
}
