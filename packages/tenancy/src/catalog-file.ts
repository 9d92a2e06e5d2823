// Finds a catalog by name or file and reads it.
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { type Catalog, misfit, parseCatalog } from './catalog.ts';
import { got } from './got.ts';
import { nearest } from './nearest.ts';
import { unwrap } from './result.ts';

const extension = '.yaml';
const namePattern = /^[a-z0-9-]+$/;

export interface CatalogNeeds {
  /** True where the app is to be started from here: a catalog whose `app.entry` is no file is refused. */
  readonly appEntry?: boolean;
}

/**
 * The catalog called `nameOrFile` in `catalogsFolder` (`litedesk` is `litedesk.yaml` there), or in the file of that
 * path. `app.entry` comes back as an absolute path, resolved from the file's folder.
 * @throws BurgageError `catalog_invalid`: no such file (the message lists the catalogs that there are), not readable, as
 * in `parseCatalog`, or without what is needed of it.
 */
export async function loadCatalog(nameOrFile: string, catalogsFolder: string, needs: CatalogNeeds = {}): Promise<Catalog> {
  const file = namePattern.test(nameOrFile) ? join(catalogsFolder, nameOrFile + extension) : nameOrFile;
  const text = await readCatalogFile(file, nameOrFile, catalogsFolder);
  const catalog = unwrap(parseCatalog(text, file));
  const entry = resolve(dirname(file), catalog.app.entry);
  if (needs.appEntry && !(await isFile(entry))) {
    throw misfit(text, file, ['app', 'entry'], `a file that exists; there is none at ${entry}`);
  }
  return { ...catalog, app: { ...catalog.app, entry } };
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

async function readCatalogFile(file: string, nameOrFile: string, catalogsFolder: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const names = await catalogNames(catalogsFolder);
    const meant = nearest(nameOrFile, names);
    const description = [
      code === 'ENOENT' ? got(nameOrFile) : `${got(nameOrFile)}, which cannot be read (${code})`,
      `, expected the file of a catalog, or the name of one in ${catalogsFolder}: ${names.join(', ') || 'there are none'}`,
      meant ? `; did you mean ${meant}?` : '',
    ].join('');
    throw new BurgageError('catalog_invalid', { message: `catalog: ${description}`, fields: [{ field: 'catalog', description }], cause });
  }
}

/** The names that `loadCatalog` takes; none where the folder cannot be read. */
async function catalogNames(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch(() => []);
  return files
    .filter((file) => file.endsWith(extension))
    .map((file) => file.slice(0, -extension.length))
    .toSorted();
}
