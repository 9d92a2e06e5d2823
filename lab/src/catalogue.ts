// All that the lab has: adding a product is one file and its line here.
import type { ServerProduct, ToolProduct } from './product.ts';
import { mongo } from './servers/mongo.ts';
import { mongoSmall } from './servers/mongo-small.ts';
import { nats } from './servers/nats.ts';
import { prometheus } from './servers/prometheus.ts';
import { toxiproxy } from './servers/toxiproxy.ts';
import { ghz } from './tools/ghz.ts';
import { grpcurl } from './tools/grpcurl.ts';
import { k6 } from './tools/k6.ts';
import { promtool } from './tools/promtool.ts';

export const servers = {
  nats,
  mongo,
  'mongo-small': mongoSmall,
  prometheus,
  toxiproxy,
} as const satisfies Readonly<Record<string, ServerProduct>>;

export const tools = { k6, grpcurl, ghz, promtool } as const satisfies Readonly<Record<string, ToolProduct>>;

export type ServerName = keyof typeof servers;
export type ToolName = keyof typeof tools;

/** What a test may choose of the server called `Name`. */
export type OptionsOf<Name extends ServerName> = (typeof servers)[Name] extends ServerProduct<infer Options> ? Options : never;
