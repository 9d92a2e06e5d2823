// The stories of `npm start`, told again where every service is a process of its own, and what only replicas can show.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RegistryService, type RouteEntry } from '@burgage/contracts';
import { describeWithLab, type RunningServer, startServer } from '@burgage/lab';
import { createRpcClient, type RpcClient, readTlsIdentity } from '@burgage/rpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crashStory } from './crash.ts';
import { lifeStory } from './life.ts';
import { meshKind } from './mesh-kind.ts';
import { Platform, runProgram, until } from './platform.ts';
import { threadStory } from './thread.ts';

type Registry = RpcClient<typeof RegistryService> & { close(): Promise<void> };

describeWithLab(
  'on MongoDB and NATS, every service a process of its own',
  [{ server: 'mongo', options: { fsync: false } }, 'nats', 'grpcurl', 'promtool'],
  (lab) => {
    const natsOf = new Map<string, Promise<RunningServer>>();
    const kind = meshKind(async (data) => {
      const nats = natsOf.get(data) ?? startServer('nats');
      natsOf.set(data, nats);
      return { mongo: lab.server('mongo').url, nats: (await nats).url };
    });
    afterAll(() => Promise.all([...natsOf.values()].map(async (nats) => (await nats).close())));

    threadStory(() => kind);
    crashStory(() => kind);
    lifeStory(() => kind);

    describe('replicas', () => {
      let platform: Platform;
      let registries: readonly Registry[];

      beforeAll(async () => {
        platform = await Platform.start(kind);
        registries = await Promise.all(
          ['registry-1', 'registry-2'].map(async (name) => registryAt(await addressOf(platform, name), platform.data)),
        );
      }, 90_000);
      afterAll(async () => {
        await Promise.all(registries.map((registry) => registry.close()));
        await platform.remove();
      });

      test('of the registry serve the same revisions, whoever wrote, and no change twice', { timeout: 60_000 }, async () => {
        const histories = registries.map((registry) => new History(registry));
        await Promise.all(histories.map((history) => history.begun));
        await Promise.all(
          registries.flatMap((registry, replica) =>
            Array.from({ length: 30 }, (_, number) =>
              registry.putUpstream({
                name: `of-${replica}-${number % 7}`,
                endpoints: [{ address: `127.0.0.1:${1_000 + replica * 100 + number}` }],
              }),
            ),
          ),
        );
        const { revision } = await (registries[0] as Registry).putUpstream({ name: 'last', endpoints: [{ address: '127.0.0.1:1' }] });
        const [one, two] = await Promise.all(histories.map((history) => history.until(Number(revision))));
        expect(one?.length).toBeGreaterThan(20);
        expect(one).toEqual(two);
        // An entity at a version is one change: each is in the journal once.
        expect(new Set(one).size).toBe(one?.length);
      });

      test('of the registry can go: gateways move to the other, without a gap and without a snapshot', { timeout: 60_000 }, async () => {
        for (const name of ['registry-1', 'registry-2']) {
          const before = await snapshotsSent(platform);
          const pid = await platform.pidOf(name);
          process.kill(pid, 'SIGKILL');
          const { slug } = await platform.createTenant(`While ${name} is gone`);
          for (const gateway of kind.gateways) {
            await until(
              `${gateway} answers for ${slug}`,
              async () => (await platform.askOn(await portOf(platform, gateway), slug, '/')).status === 200,
            );
          }
          await until(`${name} is back`, async () => (await platform.pidOf(name)) !== pid && (await platform.isReady(name)));
          const after = await snapshotsSent(platform);
          // The killed one counts from nothing again; the other has sent none meanwhile.
          for (const [replica, count] of Object.entries(after)) expect(count, replica).toBe(replica === name ? 0 : before[replica]);
        }
      });

      test('of the gateway are both shown, whichever registry they follow', async () => {
        const listed = JSON.parse((await platform.cli('gateways', 'list', '-o', 'json')).stdout).items;
        expect(listed.map(({ id }: { id: string }) => id).sort()).toEqual(['gateway-1', 'gateway-2']);
      });

      test('of the provisioner share the work, and each operation is carried out once', { timeout: 60_000 }, async () => {
        const before = await operationsEnded(platform);
        const token = (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim();
        const headers = { authorization: `Bearer ${token}` };
        const signedUp = await Promise.all(
          Array.from({ length: 24 }, (_, number) =>
            platform.ask('api', '/v1/tenants', {
              headers,
              json: { company: `Shared Work ${number}`, plan: 'trial', owner: 'o@shared.test' },
            }),
          ),
        );
        expect(signedUp.map(({ status }) => status)).toEqual(signedUp.map(() => 202));
        const done = await until(
          'all have ended',
          async () => {
            const after = await operationsEnded(platform);
            const counts = after.map((count, replica) => count - (before[replica] ?? 0));
            return counts.reduce((sum, count) => sum + count) >= signedUp.length && counts;
          },
          50_000,
        );
        expect(done.reduce((sum, count) => sum + count)).toBe(signedUp.length);
        expect(Math.min(...done)).toBeGreaterThan(0);
      });
    });

    describe('gRPC', () => {
      let platform: Platform;
      beforeAll(async () => {
        platform = await Platform.start(kind);
      }, 90_000);
      afterAll(() => platform.remove());

      test('answers whoever has a certificate of its authority, and nobody else', async () => {
        const grpcurl = lab.tool('grpcurl');
        const { caFile, certFile, keyFile } = tlsFiles(platform.data);
        const address = await addressOf(platform, 'registry-1');
        const named = ['-cacert', caFile, '-servername', 'registry.burgage.internal'];
        const known = await runProgram(grpcurl, [...named, '-cert', certFile, '-key', keyFile, address, 'list']);
        expect(known).toMatchObject({ code: 0, stdout: expect.stringContaining('burgage.registry.v1.RegistryService') });
        for (const args of [[...named], ['-plaintext'], ['-insecure']]) {
          const refused = await runProgram(grpcurl, ['-max-time', '5', ...args, address, 'list']);
          expect(refused.code, args.join(' ')).not.toBe(0);
          expect(refused.stdout).toBe('');
        }
        // The provisioner's certificate is no registry's.
        const other = ['-cacert', caFile, '-servername', 'registry.burgage.internal', '-cert', certFile, '-key', keyFile];
        const wrong = await runProgram(grpcurl, ['-max-time', '5', ...other, await addressOf(platform, 'provisioner-1'), 'list']);
        expect(wrong.code).not.toBe(0);
      });

      test('and HTTP have metrics that Prometheus takes without a complaint', async () => {
        const promtool = lab.tool('promtool');
        for (const name of [...kind.control, ...kind.gateways]) {
          const text = await (await fetch(new URL('/metrics', await platform.readyUrlOf(name)))).text();
          expect(await runProgram(promtool, ['check', 'metrics'], text), name).toMatchObject({ code: 0, stderr: '' });
        }
      });
    });
  },
);

/** What a registry has told since the beginning, as `revision kind key version` for each change. */
class History {
  readonly #told: string[] = [];
  readonly #begun = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  #revision = 0;

  constructor(registry: Registry) {
    void this.#listen(registry).catch(() => undefined);
  }

  /** Resolves when it has had the snapshot: every change from then on is told. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  async until(revision: number): Promise<readonly string[]> {
    await until(`revision ${revision} was told`, async () => this.#revision >= revision);
    this.#stopping.abort();
    return this.#told;
  }

  async #listen(registry: Registry): Promise<void> {
    const { signal } = this.#stopping;
    async function* hello() {
      yield { message: { case: 'hello' as const, value: { gatewayId: `listener-${crypto.randomUUID()}`, bootId: crypto.randomUUID() } } };
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    }
    for await (const { message } of registry.watchRoutes(hello(), { signal })) {
      if (message.case === 'snapshotEnd') this.#begun.resolve();
      // The snapshot is where this one begins; what comes after it is the journal.
      if (message.case !== 'batch' || message.value.revision === 0n) continue;
      this.#revision = Number(message.value.revision);
      this.#told.push(...message.value.entries.map(nameOf));
    }
  }
}

function nameOf({ entity, version }: RouteEntry): string {
  switch (entity.case) {
    case 'host':
      return `host ${entity.value.host} ${version}`;
    case 'tenant':
      return `tenant ${entity.value.tenantId} ${version}`;
    case 'upstream':
      return `upstream ${entity.value.name} ${version}`;
    default:
      return 'nothing';
  }
}

function tlsFiles(data: string): { caFile: string; certFile: string; keyFile: string } {
  const at = (name: string): string => join(data, 'secrets', 'tls', name);
  return { caFile: at('ca.crt'), certFile: at('operator.crt'), keyFile: at('operator.key') };
}

async function registryAt(address: string, data: string): Promise<Registry> {
  return createRpcClient(RegistryService, { address, tls: await readTlsIdentity(tlsFiles(data)), peer: 'registry' });
}

async function addressOf(platform: Platform, name: string): Promise<string> {
  return await platform.flagOf(name, '--address');
}

async function portOf(platform: Platform, gateway: string): Promise<number> {
  return Number(await platform.flagOf(gateway, '--port'));
}

async function metricOf(platform: Platform, name: string, metric: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', await platform.readyUrlOf(name)))).text();
  const values = [...text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

async function snapshotsSent(platform: Platform): Promise<Record<string, number>> {
  const names = ['registry-1', 'registry-2'];
  const counts = await Promise.all(names.map((name) => metricOf(platform, name, 'burgage_registry_route_snapshots_sent_total')));
  return Object.fromEntries(names.map((name, index) => [name, counts[index] ?? 0]));
}

function operationsEnded(platform: Platform): Promise<readonly number[]> {
  return Promise.all(['provisioner-1', 'provisioner-2'].map((name) => metricOf(platform, name, 'burgage_operations_ended_total')));
}
