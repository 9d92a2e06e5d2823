// The format of a data folder, and what its state is kept in.
import { readFile } from 'node:fs/promises';
import { BurgageError } from '@burgage/contracts/errors';
import type { DataPaths } from './paths.ts';

/** The format that this version writes; a folder of a higher one is refused. */
export const dataFormatVersion = 1;

/** What keeps the state of a folder's Burgage: files in it, or servers beside it. */
export type Engines = 'embedded' | 'mesh';

const startedBy: Readonly<Record<Engines, string>> = { embedded: 'npm start', mesh: 'npm run start:mesh' };

/**
 * The format's version, or undefined where there is none yet. Changes nothing.
 * @throws BurgageError `data_folder_newer`, `data_corrupt`, `config_invalid` where the folder stands on other engines.
 */
export async function checkFormat(paths: DataPaths, engines: Engines): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(paths.format, 'utf8');
  } catch {
    // No such file, or no such folder: what keeps the folder from being used shows when it is made.
    return undefined;
  }
  let version: unknown;
  let found: unknown;
  try {
    // Folders of before there was a choice are embedded.
    ({ version, engines: found = 'embedded' } = JSON.parse(text) ?? {});
  } catch {
    version = undefined;
  }
  if (typeof version !== 'number') {
    throw new BurgageError('data_corrupt', {
      message: `${paths.format}: got ${JSON.stringify(text.slice(0, 40))}, expected {"version": number}.`,
    });
  }
  if (version > dataFormatVersion) {
    throw new BurgageError('data_folder_newer', {
      message: `${paths.root} has the data format ${version}; this version of Burgage knows formats up to ${dataFormatVersion}.`,
    });
  }
  if (found !== engines) {
    const by = Object.hasOwn(startedBy, String(found)) ? startedBy[found as Engines] : JSON.stringify(found);
    throw new BurgageError('config_invalid', {
      message: `--data: got ${paths.root}, a folder of ${by}, expected one of ${startedBy[engines]}, or a new one.`,
    });
  }
  return version;
}
