// Which engine keeps a service's state: MongoDB where an address is given, SQLite in the data folder otherwise.
import { dirname } from 'node:path';
import { defineSettings, inNameOf, type Logger, privateFolder } from '@burgage/runtime';
import { z } from 'zod';
import type { Store } from './port.ts';
import { type SomeDocumentType, upgradeDocuments } from './upgrade.ts';

/** For every service that keeps state. */
export const storeSettings = defineSettings({
  store: {
    flag: 'store',
    env: 'BURGAGE_STORE',
    schema: z
      .string()
      .regex(/^mongodb(\+srv)?:\/\/[^/]/, { error: 'expected an address such as mongodb://host:27017' })
      .optional(),
    secret: 'url',
    description: 'MongoDB that keeps the state, such as mongodb://host:27017; its path names the database',
  },
});

/** For services with documents: `upgradeStored` in the place of serving. */
export const upgradeSettings = defineSettings({
  upgrade: {
    flag: 'upgrade',
    schema: z
      .literal('true')
      .transform(() => true as const)
      .optional(),
    description:
      "Store documents of older schema versions in today's shape, say how many, and end; newer ones are left alone, services may run meanwhile",
  },
});

/** `--upgrade`: what it does, and says on standard output. */
export async function upgradeAndSay(place: StorePlace, types: readonly SomeDocumentType[]): Promise<void> {
  const store = await openStore(place);
  try {
    const say = (text: string): void => void process.stdout.write(`${text}\n`);
    const totals = await upgradeDocuments(store, types, (type, upgraded) => say(`${type}: ${upgraded.toLocaleString('en')} …`));
    for (const [type, upgraded] of totals)
      say(`${type}: ${upgraded === 0 ? 'nothing to upgrade' : `${upgraded.toLocaleString('en')} upgraded`}`);
  } finally {
    await store.close();
  }
}

export interface StorePlace {
  /** The setting `store`. */
  readonly url: string | undefined;
  /** The database in MongoDB where the address names none. */
  readonly database: string;
  /** The file of SQLite. */
  readonly file: string;
  readonly logger: Logger;
}

/** @throws BurgageError as `openMongoStore` and `openSqliteStore`, but `config_invalid`, naming the setting, for an address that is none, and where the file's folder cannot be made. */
export async function openStore({ url, database, file, logger }: StorePlace): Promise<Store> {
  logger.info({ engine: url === undefined ? 'sqlite' : 'mongodb' }, 'opening the store');
  // Loaded when needed: whoever uses one engine pays nothing for the other.
  if (url !== undefined) {
    const { openMongoStore } = await import('./mongodb/store.ts');
    const names = { url: storeSettings.store, database: storeSettings.store };
    return await inNameOf(names, () => openMongoStore({ url, database, logger }));
  }
  await privateFolder('data', dirname(file));
  return await (await import('./sqlite/store.ts')).openSqliteStore({ file });
}
