// What an app imports from app-kit, whatever web framework it uses.
export { type ArchiveHeader, archiveType, type Digest, digestOfArchive, type TableDigest } from './archive-format.ts';
export { type ContextLimits, contextHeader, isTenantId, type TenantClaims, type TenantContext } from './claims.ts';
export { type ContextIssuer, type ContextKeyJwk, createContextIssuer, generateContextKey } from './issuer.ts';
export { createLifecycle, fenceHeader, type LifecycleOptions, lifecyclePath, type Owners } from './lifecycle.ts';
export {
  invalidField,
  type ProblemBody,
  type ProblemCode,
  ProblemError,
  type ProblemField,
  problemBody,
  problemHeaders,
  problemResponse,
} from './problem.ts';
export {
  type Changes,
  type Columns,
  type Condition,
  defineTable,
  type NewRow,
  type Row,
  type TenantTableDefinition,
  type Where,
} from './table.ts';
export {
  openTenantData,
  type Place,
  placeOf,
  type Seat,
  type TenantData,
  type TenantDataOptions,
  type TenantHandle,
  type TenantPlace,
  type TenantUsage,
} from './tenant-data.ts';
export type { TenantInfo } from './tenant-file.ts';
export type { ListRequest, Page, Selection, TenantTable } from './tenant-table.ts';
export { type ContextVerifier, type ContextVerifierOptions, createContextVerifier } from './verifier.ts';
