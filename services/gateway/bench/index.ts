// What other measurements take from these: load by wrk, the apps behind the proxies, and the names of the hosts.
export { startEchoApp } from './apps/echo-app.ts';
export { startWebApp } from './apps/web-app.ts';
export type { Load, Sent, Target } from './load/load.ts';
export { requests } from './load/requests.ts';
export { domain, hostName, tenantId } from './world.ts';
