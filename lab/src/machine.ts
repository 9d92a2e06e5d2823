// What this machine can offer to an installation, found without starting anything.
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Build, Need } from './product.ts';

/** Where `program` lies on the PATH. */
export function findProgram(program: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** The system by name, as people know it: `Debian GNU/Linux 12 (bookworm)`. */
export function systemName(): string {
  return release().PRETTY_NAME ?? `${process.platform} ${process.arch}`;
}

/** The name of the Debian release that this machine runs, such as `bookworm`. */
export function debianSuite(): string | undefined {
  const { ID, VERSION_CODENAME } = release();
  return ID === 'debian' ? VERSION_CODENAME : undefined;
}

/** Why this machine cannot have `build`, as the end of "needs …"; undefined where it can. */
export function whyNot(build: Build): string | undefined {
  const reasons = build.needs.map((need) => lacks[need]()).filter((reason) => reason !== undefined);
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

const lacks: Readonly<Record<Need, () => string | undefined>> = {
  go() {
    if (process.platform === 'win32') return `Linux or macOS, and this is ${systemName()}`;
    return findProgram('go') === undefined ? 'Go, and there is no `go` on the PATH' : undefined;
  },
  debian() {
    if (debianSuite() === undefined) return `Debian packages, and this is ${systemName()}`;
    const missing = ['apt-get', 'dpkg-deb'].find((program) => findProgram(program) === undefined);
    return missing === undefined ? undefined : `Debian packages, and there is no \`${missing}\` on the PATH`;
  },
};

/** /etc/os-release, which is a list of shell assignments. */
function release(): Readonly<Record<string, string>> {
  if (process.platform !== 'linux') return {};
  try {
    const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^(\w+)="?([^"\n]*)"?$/gm);
    return Object.fromEntries(Array.from(lines, ([, name, value]) => [name, value]));
  } catch {
    return {};
  }
}
