// The routes that the platform itself needs: the shared app's upstream, and the API under its own host.
import type { RegistryService } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import type { Component } from '@burgage/runtime';

/** The platform's own host: `api.<base domain>`. */
const apiLabel = 'api';
const apiUpstream = 'burgage-api';

export interface PlatformRoutes {
  readonly registry: Pick<RpcClient<typeof RegistryService>, 'putUpstream' | 'putPlatformRoute'>;
  readonly sharedUpstream: string;
  /** `host:port` of the shared app. */
  readonly appAddress: string;
  /** `host:port` of the api. */
  readonly apiAddress: string;
}

/** Puts them when it starts; they stay. */
export function platformRoutes({ registry, sharedUpstream, appAddress, apiAddress }: PlatformRoutes): Component {
  return {
    name: 'routes of the platform',
    async start() {
      await registry.putUpstream({ name: sharedUpstream, endpoints: [{ address: appAddress }] });
      await registry.putUpstream({ name: apiUpstream, endpoints: [{ address: apiAddress }] });
      await registry.putPlatformRoute({ label: apiLabel, upstream: apiUpstream });
    },
    stop: async () => undefined,
  };
}
