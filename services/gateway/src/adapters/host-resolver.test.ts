// What questions to the registry cost, and what is made of its answers.
import { create } from '@bufbuild/protobuf';
import { ResolveHostResponseSchema } from '@burgage/contracts';
import { createMetrics, ManualClock } from '@burgage/runtime';
import { routeEntryToProto } from '@burgage/tenancy';
import { describe, expect, it } from 'vitest';
import { gatewayMetrics } from '../metrics.ts';
import { silent } from '../testing/fixture.ts';
import { routeOf, upstreamOf } from '../testing/registry.ts';
import { freshNames } from '../testing/tables.ts';
import { createHostResolver } from './host-resolver.ts';

/** A registry in which every host leads where `patternOf` says. */
function startResolver(patternOf: (host: string) => string | undefined) {
  const asked: string[] = [];
  const clock = new ManualClock();
  const names = freshNames();
  const resolver = createHostResolver({
    client: {
      resolveHost: async ({ host = '' }) => {
        asked.push(host);
        const pattern = patternOf(host);
        if (pattern === undefined) return create(ResolveHostResponseSchema, {});
        const [tenant, entry] = routeOf(pattern).map(routeEntryToProto);
        return create(ResolveHostResponseSchema, { host: entry, tenant, upstream: routeEntryToProto(upstreamOf('127.0.0.1:9')) });
      },
    },
    names,
    timeoutMs: 1_000,
    clock,
    logger: silent,
    metrics: gatewayMetrics(createMetrics()),
  });
  return { resolver, names, clock, asked };
}

describe('the host resolver', () => {
  it('gives the tenant that the registry names, with its endpoints', async () => {
    const { resolver } = startResolver((host) => (host === 'nobody.test' ? undefined : host));
    const found = await resolver.resolve('acme.test');
    expect(found?.tenant?.tenantId).toBe('ten_acme.test');
    expect(found?.table.endpoints(found.tenant?.upstream ?? '')).toHaveLength(1);
    expect((await resolver.resolve('nobody.test'))?.tenant).toBeUndefined();
  });

  it('goes by what the registry says of this host, not by what it said of another just before', async () => {
    let patterns: Record<string, string> = { 'a.shops.test': '*.shops.test' };
    const { resolver } = startResolver((host) => patterns[host]);
    expect((await resolver.resolve('a.shops.test'))?.tenant?.tenantId).toBe('ten_*.shops.test');
    patterns = { 'b.shops.test': '**.test' };
    expect((await resolver.resolve('b.shops.test'))?.tenant?.tenantId).toBe('ten_**.test');
    expect((await resolver.resolve('c.shops.test'))?.tenant).toBeUndefined();
  });

  it('believes an answer for three seconds, and asks again then', async () => {
    const { resolver, clock, asked } = startResolver(() => undefined);
    await resolver.resolve('acme.test');
    await clock.advance(2_900);
    await resolver.resolve('acme.test');
    expect(asked).toHaveLength(1);
    await clock.advance(200);
    await resolver.resolve('acme.test');
    expect(asked).toHaveLength(2);
  });

  it('needs no more memory for many answers than for one, however many names the gateway knows', async () => {
    const { resolver, names } = startResolver((host) => host);
    for (let i = 0; i < 200_000; i++) {
      names.hosts.add(`${i}.test`);
      names.tenants.add(`ten_${i}`);
    }
    const held = () => process.memoryUsage().arrayBuffers;
    const found = [await resolver.resolve('first.test')];
    const before = held();
    for (let i = 0; i < 40; i++) found.push(await resolver.resolve(`new-${i}.test`));
    expect(held() - before).toBeLessThan(1_000_000);
    expect(found.every((one) => one?.tenant !== undefined)).toBe(true);
  });
});
