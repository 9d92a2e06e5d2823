// What the tests of this package share: an issuer behind a real JWKS address, a clock to turn, and a tenant's claims.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TenantClaims } from './claims.ts';
import { type ContextIssuer, type ContextKeyJwk, createContextIssuer, generateContextKey } from './issuer.ts';

export const claims: TenantClaims = {
  sub: 'ten_acme',
  slug: 'acme',
  name: 'Acme',
  color: '#0f766e',
  plan: 'trial',
  isolation: 'pool',
  limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 0 },
  features: ['export'],
  ev: 3,
};

export function turnableClock(start = Date.UTC(2026, 0, 1)): { now: () => Date; advance(ms: number): void } {
  let time = start;
  return {
    now: () => new Date(time),
    advance(ms) {
      time += ms;
    },
  };
}

export async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface JwksServer extends AsyncDisposable {
  readonly url: string;
  /** Swapped to change the keys; `down` answers 500. */
  issuer: ContextIssuer;
  down: boolean;
  fetches: number;
  readonly key: ContextKeyJwk;
}

export async function startJwks(now: () => Date): Promise<JwksServer> {
  const key = await generateContextKey();
  const server = createServer((_request, response) => {
    state.fetches += 1;
    response.statusCode = state.down ? 500 : 200;
    response.end(JSON.stringify(state.issuer.jwks()));
  });
  const state = {
    url: `${await listening(server)}/jwks.json`,
    issuer: createContextIssuer([key], { now }),
    down: false,
    fetches: 0,
    key,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return state;
}
