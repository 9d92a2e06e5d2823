// A gateway as a service, beside a registry of the test's.
import { expect } from 'vitest';
import type { Gateway } from '../gateway.ts';
import { createGatewayService, type Explanation, type GatewayServiceOptions, type RouteStatus } from '../service.ts';
import { onTestEnd, silent } from './fixture.ts';
import type { TestRegistry } from './registry.ts';

/** Of the admin port. */
export const token = 'internal-token';

export interface StartedService {
  readonly gateway: Gateway;
  readonly port: number;
  readonly admin: string;
  status(): Promise<RouteStatus>;
  explain(url: string): Promise<Explanation>;
}

export async function startService(registry: TestRegistry, options: Partial<GatewayServiceOptions> = {}): Promise<StartedService> {
  const gateway = createGatewayService({
    port: 0,
    adminPort: 0,
    registry: registry.address,
    internalToken: token,
    gatewayId: 'gateway-1',
    baseDomain: 'test',
    logger: silent,
    ...options,
  });
  await gateway.start();
  onTestEnd(() => gateway.stop());
  const admin = `http://${gateway.adminAddress()}`;
  const ask = async (path: string) => {
    const answer = await fetch(admin + path, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
    return answer.json();
  };
  return {
    gateway,
    port: Number(gateway.address().split(':').at(-1)),
    admin,
    status: async () => (await ask('/routes/status')) as RouteStatus,
    explain: async (url) => (await ask(`/explain?url=${encodeURIComponent(url)}`)) as Explanation,
  };
}
