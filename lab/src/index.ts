// Real servers for tests and benchmarks, without containers: installed once, started when asked for, gone afterwards.
export { cacheFolder } from './cache.ts';
export type { OptionsOf, ServerName, ToolName } from './catalogue.ts';
export { describeWithLab, type Lab } from './describe-with-lab.ts';
export { LabError } from './errors.ts';
export { withDescendants } from './process-tree.ts';
export { cpuSeconds, pssMiB } from './process-usage.ts';
export type { ServerProduct, Site } from './product.ts';
export { type RunningServer, run as runServer, type StartOptions } from './running-server.ts';
export type { CaddyOptions } from './servers/caddy.ts';
export type { HaproxyOptions } from './servers/haproxy.ts';
export type { MongoOptions } from './servers/mongo.ts';
export type { MongoSmallOptions } from './servers/mongo-small.ts';
export type { NatsOptions } from './servers/nats.ts';
export type { NginxOptions } from './servers/nginx.ts';
export type { PrometheusOptions } from './servers/prometheus.ts';
export { type ServerRequest, startServer, tool } from './start-server.ts';
export { FaultProxy, type Latency, type Stream, Toxiproxy } from './toxiproxy-client.ts';
