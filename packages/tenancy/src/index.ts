// Tenancy: the pure values of the domain that every service shares.
export { type Catalog, type Plan, parseCatalog } from './catalog.ts';
export * from './catalog-file.ts';
export * from './dedicated.ts';
export { got } from './got.ts';
export * from './holds.ts';
export * from './host.ts';
export { digestOf, isTenantId, operationIdFor, operationIdFromKey, tenantIdFromKey, ulid } from './ids.ts';
export * from './isolation.ts';
export { reservedNames } from './reserved.ts';
export * from './result.ts';
export * from './routes.ts';
export { routeEntryFromProto, routeEntryToProto, type Words } from './routes-proto.ts';
export * from './routes-wire.ts';
export * from './slug.ts';
export * from './tenant-state.ts';
