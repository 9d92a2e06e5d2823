// Where the fields of a batch of routes are on the wire: the first byte of each, `number << 3 | type`, by the numbers in routes.proto.

/** Has a length: text, or a message. */
const sized = (field: number) => (field << 3) | 2;
const varint = (field: number) => field << 3;

export const responseBatch = sized(2);

export const batchEntry = sized(1);
export const batchRevision = varint(2);
export const batchStamp = sized(3);

export const entryVersion = varint(1);
export const entryRemoved = varint(2);
export const entryEntity = { host: sized(3), tenant: sized(4), upstream: sized(5) } as const;

/** Every entity has its key first. */
export const entityKey = sized(1);
export const hostTenantId = sized(2);

export const upstreamEndpoint = sized(2);
export const endpointAddress = sized(1);
export const endpointWeight = varint(2);
export const endpointZone = sized(3);

export const tenantSlug = sized(2);
export const tenantPlan = sized(3);
export const tenantState = sized(4);
export const tenantHold = sized(5);
export const tenantLimits = sized(6);
export const tenantFeature = sized(7);
export const tenantUpstream = sized(8);
export const tenantIsolation = sized(9);
export const tenantEntitlementVersion = varint(10);
export const tenantBranding = sized(11);
export const tenantPlatform = varint(12);
export const tenantMoving = varint(13);

export const limitsRequestsPerSecond = varint(1);
export const limitsConcurrency = varint(2);
export const limitsBodyBytesMax = varint(3);

export const brandingName = sized(1);
export const brandingColor = sized(2);
