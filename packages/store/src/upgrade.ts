// Stores every document of an older schema version in today's shape, while services go on reading and writing.
import type { DocumentType, Store } from './port.ts';

/** Documents of one write. */
const batchSize = 200;

/** A document type of any value. */
// biome-ignore lint/suspicious/noExplicitAny: a type's functions take the value that only they know.
export type SomeDocumentType = DocumentType<any>;

/** Told after each batch: how many of a type have been stored so far. */
export type OnUpgraded = (type: string, upgraded: number) => void;

/**
 * Answers with the number of documents stored anew, by type. Versions do not move, newer documents are left alone, and
 * several processes may do it at once. @throws BurgageError as the store; what was stored until then stays.
 */
export async function upgradeDocuments(
  store: Store,
  types: readonly SomeDocumentType[],
  onUpgraded: OnUpgraded = () => undefined,
): Promise<ReadonlyMap<string, number>> {
  const totals = new Map<string, number>();
  for (const type of types) {
    const documents = store.documents(type);
    let total = 0;
    for (let stored = await documents.upgradeStored(batchSize); stored > 0; stored = await documents.upgradeStored(batchSize)) {
      total += stored;
      onUpgraded(type.name, total);
    }
    totals.set(type.name, total);
  }
  return totals;
}
