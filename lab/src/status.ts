// What `npm run lab -- status` shows: what is installed, what runs and where, what this machine cannot have and why.
import { cacheFolder, folderOf, isInstalled } from './cache.ts';
import { whyNot } from './machine.ts';
import { serverNames, toolNames } from './names.ts';
import type { Build } from './product.ts';
import { serverProduct, toolProduct } from './start-server.ts';
import { answersStill, type UpServer } from './up.ts';

type Row = readonly string[];

export function statusText(up: readonly UpServer[]): string {
  const serverRows = serverNames.map((name): Row => {
    const { builds, summary } = serverProduct(name);
    const running = up.find((one) => one.name === name);
    return [name, versions(builds), summary, running === undefined ? installedOr(builds) : runs(running)];
  });
  const toolRows = toolNames.map((name): Row => {
    const product = toolProduct(name);
    const { builds, summary } = product;
    return [name, versions(builds), summary, installedOr(builds, product.path(folderOf))];
  });
  const rows = table([...serverRows, ...toolRows]);
  return [
    'Servers',
    ...rows.slice(0, serverRows.length),
    '',
    'Programs',
    ...rows.slice(serverRows.length),
    '',
    `Cache: ${cacheFolder()}`,
    '',
  ].join('\n');
}

/** Rows as lines: every column but the last as wide as its widest cell. */
export function table(rows: readonly Row[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(column === row.length - 1 ? 0 : (widths[column] ?? 0))).join('  ')}`);
}

function versions(builds: readonly Build[]): string {
  return builds.map(({ version }) => version).join(', ');
}

function runs(server: UpServer): string {
  if (answersStill(server)) return `runs at ${server.url} (process ${server.pid}, ${server.folder})`;
  return `ended by itself, see the logs in ${server.folder}; npm run lab -- down ${server.name}`;
}

function installedOr(builds: readonly Build[], path?: string): string {
  const missing = builds.filter((build) => !isInstalled(build));
  if (missing.length === 0) return path === undefined ? 'installed' : `installed: ${path}`;
  const reasons = missing.map(whyNot).filter((reason) => reason !== undefined);
  if (reasons.length > 0) return `not possible here: needs ${[...new Set(reasons)].join('; ')}`;
  const seconds = missing.reduce((sum, { usuallySeconds }) => sum + usuallySeconds, 0);
  return `not installed (takes about ${seconds} s)`;
}
