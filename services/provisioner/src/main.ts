// The provisioner as a process of its own: reads its settings, opens its store, events and drivers, runs until it is told to stop.
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type ContextKeyJwk, createContextIssuer } from '@burgage/app-kit';
import { RegistryService } from '@burgage/contracts';
import { openEmbeddedEvents } from '@burgage/events';
import { createRpcClient } from '@burgage/rpc';
import { runService, systemClock, systemRandom } from '@burgage/runtime';
import { openSqliteStore } from '@burgage/store';
import { ulid } from '@burgage/tenancy';
import { z } from 'zod';
import { createProvisionerService, embeddedDrivers } from './service.ts';

const text = z.string().min(1);

await runService({
  name: 'provisioner',
  settings: {
    data: { flag: 'data', env: 'BURGAGE_DATA', schema: text, default: '.burgage', description: 'Folder of store, events, files and mail' },
    address: {
      flag: 'address',
      env: 'BURGAGE_PROVISIONER_ADDRESS',
      schema: text.optional(),
      description: 'Where gRPC is served, unix:/path or host:port; without it the socket run/provisioner.sock in the data folder',
    },
    registry: {
      flag: 'registry',
      env: 'BURGAGE_REGISTRY_ADDRESS',
      schema: text.optional(),
      description: 'Where the registry is; without it the socket run/registry.sock in the data folder',
    },
    contextKeys: {
      flag: 'context-keys',
      env: 'BURGAGE_CONTEXT_KEYS',
      schema: text.optional(),
      description: 'File of the keys that sign what the app trusts; without it secrets/context-keys.json in the data folder',
    },
    upstream: {
      flag: 'upstream',
      env: 'BURGAGE_SHARED_UPSTREAM',
      schema: text,
      default: 'desk-shared',
      description: 'Upstream of the shared app',
    },
    readyPath: {
      flag: 'ready-path',
      env: 'BURGAGE_READY_PATH',
      schema: z.string().startsWith('/'),
      default: '/readyz',
      description: 'Where the app says that it serves a tenant',
    },
    tenantUrl: {
      flag: 'tenant-url',
      env: 'BURGAGE_TENANT_URL',
      schema: z.string().includes('{slug}', { error: 'expected an address with {slug} in it' }),
      default: 'http://{slug}.localhost:8080',
      description: 'Address of a tenant, with {slug} in it',
    },
    worker: {
      flag: 'worker',
      env: 'BURGAGE_WORKER',
      schema: text,
      default: hostname(),
      description: 'Name of this provisioner: the same after a restart, never shared by two that live',
    },
  },
  async build(settings, { logger, metrics, opened }) {
    const at = (...parts: string[]): string => join(resolve(settings.data), ...parts);
    for (const folder of ['store', 'run']) await mkdir(at(folder), { recursive: true, mode: 0o700 });
    const { keys } = JSON.parse(await readFile(settings.contextKeys ?? at('secrets', 'context-keys.json'), 'utf8'));
    const store = opened.adopt(await openSqliteStore({ file: at('store', 'provisioner.sqlite') }), (closing) => closing.close());
    const events = opened.adopt(await openEmbeddedEvents({ file: at('events.sqlite'), logger }), (closing) => closing.close());
    const address = settings.registry ?? `unix:${at('run', 'registry.sock')}`;
    const registry = opened.adopt(createRpcClient(RegistryService, { address, logger, metrics }), (closing) => closing.close());
    return createProvisionerService({
      address: settings.address ?? `unix:${at('run', 'provisioner.sock')}`,
      store,
      events,
      registry,
      drivers: embeddedDrivers({
        issuer: createContextIssuer(keys as ContextKeyJwk[], { now: () => systemClock.now() }),
        upstream: settings.upstream,
        readyPath: settings.readyPath,
        appFolder: at('apps', settings.upstream),
        filesFolder: at('files'),
        mailFolder: at('mail'),
        urlOf: (slug) => settings.tenantUrl.replace('{slug}', slug),
        clock: systemClock,
      }),
      sharedUpstream: settings.upstream,
      logger,
      metrics,
      clock: systemClock,
      random: systemRandom,
      workerName: settings.worker,
      boot: ulid(systemClock, systemRandom),
    });
  },
});
