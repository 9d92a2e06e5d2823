// Gateways: which are connected, what they would do with an address and what they do, letting one go on after a suspicious snapshot.

import { asBurgageError, BurgageError } from '@burgage/contracts';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { gatewayListView } from '../domain/gateway-view.ts';
import { audited } from '../http/audit.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { problemOf } from '../http/problem.ts';
import { streamTaps, type Tapped } from '../http/tap.ts';
import {
  AcceptedSnapshotSchema,
  ExplainAnswerSchema,
  explainExample,
  type Gateway,
  GatewayListSchema,
  gatewayListExample,
  tapExample,
} from '../schemas/gateways.ts';
import { json, problems } from '../schemas/responses.ts';

const listGateways = createRoute({
  method: 'get',
  path: '/v1/gateways',
  operationId: 'listGateways',
  tags: ['gateways'],
  summary: 'List the connected gateways',
  description: 'With the revision of the routes that each has applied.',
  responses: { 200: json('The gateways.', GatewayListSchema, gatewayListExample), ...problems() },
});

const explainUrl = createRoute({
  method: 'get',
  path: '/v1/explain',
  operationId: 'explain',
  tags: ['gateways'],
  summary: 'Explain an address',
  description: 'Asks every connected gateway what it would do with a request for the address, and why.',
  request: {
    query: z.strictObject({
      url: z
        .string({ error: 'expected an address such as http://acme.localhost:8080/' })
        .min(1, { error: 'expected an address such as http://acme.localhost:8080/' })
        .max(2048, { error: 'expected at most 2,048 characters' })
        .refine((text) => /^https?:\/\/[^\s/?#]/i.test(text), { error: 'expected http:// or https:// and a host' })
        .openapi({ example: 'http://grosse-sohne.localhost:8080/' }),
    }),
  },
  responses: {
    200: json('One explanation for each gateway.', ExplainAnswerSchema, explainExample),
    ...problems('invalid_argument', 'no_gateway'),
  },
});

const tap = createRoute({
  method: 'get',
  path: '/v1/tap',
  operationId: 'tap',
  tags: ['gateways'],
  summary: 'Watch requests as gateways answer them',
  description:
    'Server-sent events. Each `record` event carries one request that has ended, as the access log of its gateway has it, with the gateway: never a query, a cookie or a token. `dropped` says how many records of a gateway were left out because they came faster than they were read, `lost` that a gateway is not heard any more. A comment comes at least every 15 seconds.',
  request: {
    query: z.strictObject({
      tenant: z
        .string()
        .min(1, { error: 'expected the id or the slug of a tenant' })
        .optional()
        .openapi({ description: 'Only of this tenant: its id or its slug.', example: 'grosse-sohne' }),
      host: z.string().min(1, { error: 'expected a host' }).max(255, { error: 'expected at most 255 characters' }).optional().openapi({
        description: 'Only for this host.',
        example: 'grosse-sohne.localhost',
      }),
      status: z
        .string()
        .regex(/^[1-5](\d\d|xx)$/i, { error: 'expected a status such as 404, or 4xx for all of them' })
        .optional()
        .openapi({ description: 'Only with this status, or one of this class.', example: '5xx' }),
      gateway: z.string().optional().openapi({ description: 'Only of this gateway.', example: 'gw-1' }),
    }),
  },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string(), example: tapExample } } },
    ...problems('invalid_argument', 'tenant_not_found', 'gateway_not_found', 'no_gateway', 'overloaded'),
  },
});

const acceptSnapshot = createRoute({
  method: 'post',
  path: '/v1/gateways/{gateway}/accept-snapshot',
  operationId: 'acceptSnapshot',
  tags: ['gateways'],
  summary: 'Accept a snapshot that a gateway holds back',
  description:
    'A gateway does not apply a snapshot that would remove more than a fifth of its hosts, until an operator has looked at it and accepts it here.',
  request: { params: z.object({ gateway: z.string().openapi({ example: 'gw-1' }) }) },
  responses: {
    200: json('The gateway applies it.', AcceptedSnapshotSchema, { id: 'gw-1', accepted: true }),
    ...problems('gateway_not_found', 'snapshot_not_held'),
  },
});

/** Mounts them on `app`. */
export function mountGateways(app: OpenAPIHono<ApiEnv>, ports: ApiPorts): void {
  const { registry, gateways, publicUrlOf, logger } = ports;
  const connected = async () => gatewayListView(await registry.listGateways({}));

  app.openapi(listGateways, async (c) => c.json(await connected(), 200));

  app.openapi(explainUrl, async (c) => {
    const { url } = c.req.valid('query');
    const { items } = await connected();
    if (items.length === 0) throw new BurgageError('no_gateway');
    const answers = items.map(async ({ id, adminAddress }) => {
      try {
        return { id, explanation: await gateways.explain(reachable(id, adminAddress), url) };
      } catch (thrown) {
        const error = asBurgageError(thrown);
        logger.warn({ err: error, gateway: id }, 'a gateway gave no explanation');
        return { id, error: problemOf(error, c.get('requestId')) };
      }
    });
    const note = whereServed(url, publicUrlOf);
    return c.json({ gateways: await Promise.all(answers), ...(note === undefined ? {} : { note }) }, 200);
  });

  app.openapi(tap, async (c) => {
    const { tenant, host, status, gateway } = c.req.valid('query');
    const tenantId = tenant === undefined ? undefined : (await registry.getTenant({ tenant })).tenant?.id;
    const wanted = Object.entries({ tenant: tenantId, host, status }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const { items } = await connected();
    const asked = gateway === undefined ? items : [found(items, gateway)];
    if (asked.length === 0) throw new BurgageError('no_gateway');
    const gone = new AbortController();
    const opened = await Promise.allSettled(
      asked.map(async ({ id, adminAddress }): Promise<Tapped> => {
        const lines = await gateways.tap(reachable(id, adminAddress), new URLSearchParams(wanted), gone.signal);
        return { gateway: id, lines };
      }),
    );
    const taps = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const [failed] = opened.filter((one) => one.status === 'rejected');
    if (taps.length === 0) throw failed?.reason;
    for (const [index, one] of opened.entries()) {
      if (one.status === 'rejected') logger.warn({ err: one.reason, gateway: asked[index]?.id }, 'a gateway could not be tapped');
    }
    return streamTaps(c, ports, taps, gone);
  });

  app.openapi({ ...acceptSnapshot, middleware: audited('gateway.accept_snapshot', ports) }, async (c) => {
    const { gateway: id } = c.req.valid('param');
    const gateway = found((await connected()).items, id);
    c.get('change').target = id;
    if (!(await gateways.acceptSnapshot(reachable(id, gateway.adminAddress)))) {
      throw new BurgageError('snapshot_not_held', {
        message: `The gateway ${id} holds no snapshot back: there is nothing to accept.`,
      });
    }
    return c.json({ id, accepted: true as const }, 200);
  });
}

function found(gateways: readonly Gateway[], id: string): Gateway {
  const gateway = gateways.find((one) => one.id === id);
  if (gateway !== undefined) return gateway;
  throw new BurgageError('gateway_not_found', { message: `No gateway with the id ${JSON.stringify(id)} is connected.` });
}

/** Gateways look at the host alone: says so where a request for `url` would not come to them, by its scheme or its port. */
function whereServed(url: string, publicUrlOf: ApiPorts['publicUrlOf']): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const asked = placeOf(url);
  const served = placeOf(publicUrlOf('tenant'));
  return asked === served ? undefined : `This address asks ${asked}; tenants are served at ${served}.`;
}

/** `http, port 8080` */
function placeOf(url: string): string {
  const { protocol, port } = new URL(url);
  return `${protocol.slice(0, -1)}, port ${port || (protocol === 'https:' ? '443' : '80')}`;
}

function reachable(id: string, adminAddress: string | undefined): string {
  if (adminAddress !== undefined) return adminAddress;
  throw new BurgageError('unavailable', { message: `The gateway ${id} has no admin address.` });
}
