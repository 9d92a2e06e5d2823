// All that the lab has: adding a product is one file and its line here.
import type { ServerProduct, ToolProduct } from './product.ts';
import { caddy } from './servers/caddy.ts';
import { haproxy } from './servers/haproxy.ts';
import { mongo } from './servers/mongo.ts';
import { mongoSmall } from './servers/mongo-small.ts';
import { nats } from './servers/nats.ts';
import { nginx } from './servers/nginx.ts';
import { prometheus } from './servers/prometheus.ts';
import { toxiproxy } from './servers/toxiproxy.ts';
import { ghz } from './tools/ghz.ts';
import { grpcurl } from './tools/grpcurl.ts';
import { h2load } from './tools/h2load.ts';
import { h2spec } from './tools/h2spec.ts';
import { k6 } from './tools/k6.ts';
import { promtool } from './tools/promtool.ts';
import { varnishtest } from './tools/varnishtest.ts';
import { wrk } from './tools/wrk.ts';

export const servers = {
  nats,
  mongo,
  'mongo-small': mongoSmall,
  prometheus,
  toxiproxy,
  nginx,
  haproxy,
  caddy,
} as const satisfies Readonly<Record<string, ServerProduct>>;

export const tools = { k6, grpcurl, ghz, promtool, wrk, h2load, h2spec, varnishtest } as const satisfies Readonly<
  Record<string, ToolProduct>
>;

export type ServerName = keyof typeof servers;
export type ToolName = keyof typeof tools;

/** What a test may choose of the server called `Name`. */
export type OptionsOf<Name extends ServerName> = (typeof servers)[Name] extends ServerProduct<infer Options> ? Options : never;
