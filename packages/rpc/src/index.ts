// gRPC between the services: one way to make a server and one way to make a client.
export { listenAddressFrom, targetFrom } from './address-settings.ts';
export { createRpcClient, type RpcClientOptions } from './client.ts';
export { createDevelopmentCa, type DevelopmentCa, type DevelopmentCaOptions } from './development-ca.ts';
export { implement, type RpcImplementation } from './implement.ts';
export { createRpcServer, type RpcServer, type RpcServerOptions } from './server.ts';
export { readTlsIdentity, type TlsFiles, type TlsIdentity, type TlsIdentityOptions } from './tls-identity.ts';
export { tlsFrom, tlsSettings } from './tls-settings.ts';
export type { RpcCall, RpcCallOptions, RpcClient, RpcHandlers, RpcStreamOptions } from './types.ts';
