// What a request carries through the api, and what every handler can reach.

import type { ProvisionerService, RegistryService } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import type { Clock, Logger, Random } from '@burgage/runtime';
import type { Catalog } from '@burgage/tenancy';
import type { AuditTrail } from '../adapters/audit-journal.ts';
import type { GatewayAdmin } from '../adapters/gateway-admin.ts';
import type { ApiMetrics } from '../metrics.ts';

/** A change that somebody asks for, as far as it is known yet: what the audit trail will say. */
export interface Change {
  readonly action: string;
  target?: string;
  /** What people call the target. */
  targetName?: string | undefined;
  /** What exactly is asked for, in a few words. */
  detail?: string | undefined;
  /** An earlier request under the same idempotency key has made the change. */
  repeated?: boolean;
  idempotencyKey?: string;
}

export interface ApiEnv {
  Variables: {
    /** Given by the gateway, or made here. */
    requestId: string;
    /** The name of the token; unset before it has been checked. */
    actor: string;
    /** Set on requests that change something. */
    change: Change;
  };
}

/** What handlers reach the world through. */
export interface ApiPorts {
  readonly registry: RpcClient<typeof RegistryService>;
  readonly provisioner: RpcClient<typeof ProvisionerService>;
  readonly gateways: GatewayAdmin;
  readonly audit: AuditTrail;
  readonly catalog: Catalog;
  /** The slug -> `http://acme.localhost:8080`. */
  readonly publicUrlOf: (slug: string) => string;
  readonly logger: Logger;
  readonly metrics: ApiMetrics;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted when the api drains: streams end, and their readers come back elsewhere. */
  readonly draining: AbortSignal;
}
