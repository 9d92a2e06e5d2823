// Documents with compare-and-set, journals without gaps, and the relay of what follows from a write.
export type * from './port.ts';
export { createOutboxRelay, type OutboxHandler, type OutboxRelay, type OutboxRelayOptions } from './relay.ts';
export { openStore, type StorePlace, storeSettings, upgradeAndSay, upgradeSettings } from './settings.ts';
export { openSqliteStore, type SqliteStoreOptions } from './sqlite/store.ts';
export { standingOf } from './standing.ts';
export { type OnUpgraded, type SomeDocumentType, upgradeDocuments } from './upgrade.ts';
