// Finds a catalog by name or file and reads it.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { type Catalog, parseCatalog } from './catalog.ts';
import { nearest } from './nearest.ts';
import { unwrap } from './result.ts';

const extension = '.yaml';
const namePattern = /^[a-z0-9-]+$/;

/**
 * The catalog called `nameOrFile` in `catalogsFolder` (`litedesk` is `litedesk.yaml` there), or in the file of that
 * path. `app.entry` comes back as an absolute path, resolved from the file's folder.
 * @throws BurgageError `catalog_invalid`: no such file (the message lists the catalogs that there are), not readable, or
 * as in `parseCatalog`.
 */
export async function loadCatalog(nameOrFile: string, catalogsFolder: string): Promise<Catalog> {
  const file = namePattern.test(nameOrFile) ? join(catalogsFolder, nameOrFile + extension) : nameOrFile;
  const catalog = unwrap(parseCatalog(await readCatalogFile(file, nameOrFile, catalogsFolder), file));
  return { ...catalog, app: { ...catalog.app, entry: resolve(dirname(file), catalog.app.entry) } };
}

async function readCatalogFile(file: string, nameOrFile: string, catalogsFolder: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const names = await catalogNames(catalogsFolder);
    const meant = nearest(nameOrFile, names);
    const description = [
      code === 'ENOENT' ? `${file} came, which does not exist` : `${file} came, which cannot be read (${code})`,
      names.length === 0 ? `there are no catalogs in ${catalogsFolder}` : `the catalogs in ${catalogsFolder} are ${names.join(', ')}`,
      ...(meant ? [`did you mean ${meant}?`] : []),
    ].join('; ');
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
