import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { ProvisionerService, RegistryService } from '@burgage/contracts';
import { Health } from '@burgage/contracts/wire';
import {
  createDevelopmentCa,
  createRpcClient,
  createRpcServer,
  type DevelopmentCa,
  readTlsIdentity,
  type TlsFiles,
  tlsFrom,
} from '@burgage/rpc';
import { createLogger, createMetrics, ManualClock, systemClock, systemRandom } from '@burgage/runtime';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import { ca, eventually, identities, later, makeServer, registryClient, startServer, temporaryFolder } from '../test/servers.ts';
import { serviceCertificate } from './certificate.ts';

const tcp = '127.0.0.1:0';
const dayMs = 24 * 60 * 60 * 1_000;

async function anotherAuthority(clock = systemClock): Promise<DevelopmentCa> {
  return await createDevelopmentCa({ folder: join(temporaryFolder(), 'ca'), clock, random: systemRandom });
}

function pemOf({ caFile, certFile, keyFile }: TlsFiles) {
  return { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** A server over TCP with its log and its metrics. */
async function startLogged(options: Partial<Parameters<typeof startServer>[0]> = {}) {
  const logFile = join(temporaryFolder(), 'server.log');
  const metrics = createMetrics();
  const server = await startServer({ address: tcp, registry: { getTenant: async () => ({}) }, logFile, metrics, ...options });
  const log = () =>
    readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  const refused = async (refusal: string) =>
    Number(new RegExp(`refused_connections_total\\{refusal="${refusal}"\\} (\\d+)`).exec(await metrics.registry.metrics())?.[1] ?? 0);
  return { server, log, refused };
}

test('the handler knows which service calls, and the log says it; over a Unix socket it is nobody', async () => {
  const peers: (string | undefined)[] = [];
  const registry = {
    getTenant: async (_: unknown, call: { peer: string | undefined }) => {
      peers.push(call.peer);
      throw new TypeError('a bug');
    },
    watchRoutes: async function* (_: unknown, call: { peer: string | undefined }) {
      peers.push(call.peer);
      yield {};
    },
  };
  const { server, log } = await startLogged({ registry });
  const gateway = registryClient(server, { tls: await readTlsIdentity(await ca.issue('gateway')) });
  await expect(gateway.getTenant({})).rejects.toMatchObject({ code: 'internal' });
  await Array.fromAsync(gateway.watchRoutes((async function* () {})()));
  await expect(registryClient(server).getTenant({})).rejects.toMatchObject({ code: 'internal' });
  await expect(registryClient(await startServer({ registry })).getTenant({})).rejects.toMatchObject({ code: 'internal' });
  expect(peers).toEqual(['gateway', 'gateway', 'test-client', undefined]);
  expect(log().map(({ msg, peer }) => ({ msg, peer }))).toEqual([
    { msg: 'call failed', peer: 'gateway' },
    { msg: 'call failed', peer: 'test-client' },
  ]);
});

test('nothing listens or connects over TCP without a certificate, on the loopback either', () => {
  const parts = { services: [], logger: createLogger({ service: 'test', level: 'silent' }), metrics: createMetrics() };
  for (const address of ['127.0.0.1:9000', 'localhost:9000', '[::1]:9000']) {
    const message = `address: "${address}" is not valid: expected unix:/path where --tls-ca, --tls-cert and --tls-key are missing: over TCP both sides prove who they are`;
    const refused = expect.objectContaining({ code: 'config_invalid', message });
    expect(() => createRpcServer({ address, ...parts })).toThrow(refused);
    expect(() => createRpcClient(RegistryService, { address })).toThrow(refused);
  }
});

test('another service cannot play the one that a client wants, at whatever address it is', async () => {
  const server = await startServer({ address: tcp, registry: { getTenant: async () => ({}) } });
  const client = createRpcClient(RegistryService, { address: server.address(), tls: identities.client });
  later(() => client.close());
  await expect(client.getTenant({})).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/registry\.burgage\.internal\. is not in the cert's altnames: .*test-server/),
  });
});

test('the service that is wanted is the one of the contract; a contract of no service needs it said', async () => {
  const tls = await readTlsIdentity(await ca.issue('provisioner'));
  const server = createRpcServer({
    address: tcp,
    tls,
    services: [],
    logger: createLogger({ service: 'test', level: 'silent' }),
    metrics: createMetrics(),
  });
  later(() => server.stop());
  await server.start();
  const address = server.address();
  const provisioner = createRpcClient(ProvisionerService, { address, tls: identities.client });
  later(() => provisioner.close());
  await expect(provisioner.getOperation({})).rejects.toMatchObject({ code: 'method_not_allowed' });
  expect(() => createRpcClient(Health, { address, tls: identities.client })).toThrow(/^peer: got undefined for grpc\.health\.v1\.Health/);
  const health = createRpcClient(Health, { address, tls: identities.client, peer: 'provisioner' });
  later(() => health.close());
  await health.check({});
});

/** What a client gets that is not one of ours. */
async function callAs(address: string, as: ReturnType<typeof credentials.createSsl>): Promise<ServiceError | null> {
  const client = new Client(address, as, { 'grpc.ssl_target_name_override': 'test-server.burgage.internal' });
  const bytes = (value: Buffer) => value;
  const deadline = { deadline: Date.now() + 10_000 };
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest('/burgage.registry.v1.RegistryService/GetTenant', bytes, bytes, Buffer.of(), deadline, resolve);
  });
  // It would go on trying.
  client.close();
  return error;
}

const ssl = ({ ca, cert, key }: ReturnType<typeof pemOf>) => credentials.createSsl(ca, key, cert);

test('any client with a certificate of the authority is taken, not only ours', async () => {
  const { server } = await startLogged();
  expect(await callAs(server.address(), ssl(pemOf(await ca.issue('operator'))))).toBeNull();
});

test('clients without a certificate, with one of another authority, an expired one, one of no service, and in plain text are refused, and said once each', async () => {
  const clock = new ManualClock(new Date());
  const { server, log, refused } = await startLogged({ clock });
  const gateway = await ca.issue('gateway');
  const good = pemOf(gateway);
  const folder = join(gateway.caFile, '..');
  const longAgo = new ManualClock(new Date(Date.now() - 100 * dayMs));
  const expired = pemOf(await (await createDevelopmentCa({ folder, clock: longAgo, random: systemRandom })).issue('expired'));
  const keys = { own: createPrivateKey(good.key), authority: createPrivateKey(readFileSync(join(folder, 'ca.key'))) };
  const nameless = await serviceCertificate('NO-SERVICE', keys.own, keys.authority, { clock: systemClock, random: systemRandom, days: 1 });
  const clients = {
    no_certificate: credentials.createSsl(good.ca),
    untrusted_certificate: ssl({ ...pemOf(await (await anotherAuthority()).issue('gateway')), ca: good.ca }),
    expired_certificate: ssl(expired),
    no_service_name: ssl({ ...good, cert: Buffer.from(nameless) }),
    no_tls: credentials.createInsecure(),
  };
  for (const [refusal, as] of Object.entries(clients)) {
    for (let count = 0; count < 3; count++) expect(await callAs(server.address(), as)).toMatchObject({ code: status.UNAVAILABLE });
    await eventually(async () => (await refused(refusal)) === 3);
  }
  const lines = log();
  expect(lines.map(({ refusal }) => refusal)).toEqual(Object.keys(clients));
  for (const line of lines) expect(line).toMatchObject({ level: 'warn', remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/), unlogged: 0 });
  await clock.advance(60_000);
  await callAs(server.address(), credentials.createInsecure());
  await eventually(() => log().length === lines.length + 1);
  expect(log().at(-1)).toMatchObject({ refusal: 'no_tls', unlogged: 2 });
  await registryClient(server).getTenant({});
});

test('a client that the server does not trust is told where to look', async () => {
  const { server } = await startLogged();
  const stranger = { ...(await (await anotherAuthority()).issue('gateway')), caFile: join(temporaryFolder(), 'both') };
  const authorities = [stranger.certFile.replace('gateway.crt', 'ca.crt'), (await ca.issue('gateway')).caFile];
  writeFileSync(stranger.caFile, authorities.map((file) => readFileSync(file, 'utf8')).join(''));
  await expect(registryClient(server, { tls: await readTlsIdentity(stranger) }).getTenant({})).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/ cannot be reached: it closed the connection at once, and its log says why$/),
  });
});

test('a server that could not listen leaves nothing behind that follows its certificate', async () => {
  const { server } = await startLogged();
  const clock = new ManualClock(new Date());
  await expect(makeServer({ address: server.address(), clock, registry: {} }).start()).rejects.toMatchObject({ code: 'port_taken' });
  await eventually(() => clock.sleeping === 0);
});

test('TLS 1.2 is not spoken', async () => {
  const { server, refused } = await startLogged();
  const options: ConnectionOptions = {
    ...pemOf(await ca.issue('gateway')),
    port: Number(server.address().split(':')[1]),
    maxVersion: 'TLSv1.2',
  };
  const socket = connect(options);
  const [error] = await once(socket, 'error');
  expect(error.code).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  expect(await refused('no_tls')).toBe(1);
});

test('a certificate that changed on disk is used for new connections, on both sides; those that live go on', async () => {
  const clock = new ManualClock(new Date());
  const folder = temporaryFolder();
  const files = { caFile: join(folder, 'ca'), certFile: join(folder, 'cert'), keyFile: join(folder, 'key') };
  const put = async (authority: DevelopmentCa) => {
    const issued = await authority.issue('registry');
    for (const name of ['caFile', 'certFile', 'keyFile'] as const) copyFileSync(issued[name], files[name]);
  };
  const [before, after] = [await anotherAuthority(), await anotherAuthority()];
  await put(before);
  const tls = await readTlsIdentity({ ...files, clock });
  const server = makeServer({ address: tcp, tls, clock, registry: { getTenant: async () => ({}) } });
  await server.start();
  const clientOf = (identity: typeof tls) => registryClient(server, { tls: identity, peer: 'registry' });
  const living = clientOf(tls);
  await living.getTenant({});

  await put(after);
  await eventually(() => clock.sleeping > 0);
  await clock.advance(10_000);
  const newcomer = await readTlsIdentity(await after.issue('gateway'));
  await eventually(() =>
    clientOf(newcomer)
      .getTenant({})
      .then(
        () => true,
        () => false,
      ),
  );
  await expect(clientOf(await readTlsIdentity(await before.issue('gateway'))).getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
  await living.getTenant({});
  // The same identity, on a connection of its own.
  await registryClient(server, { tls, peer: 'registry', clock }).getTenant({});
});

test('a server that never answers the handshake is given up after five seconds', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  later(() => void silent.close());
  await once(silent, 'listening');
  const connections: { destroy(): void }[] = [];
  silent.on('connection', (socket) => connections.push(socket));
  later(() => {
    for (const socket of connections) socket.destroy();
  });
  const clock = new ManualClock();
  const { port } = silent.address() as { port: number };
  const client = registryClient({ address: () => `127.0.0.1:${port}` }, { clock, timeoutMs: 60_000 });
  let failed: unknown;
  const call = client.getTenant({}).catch((error: unknown) => {
    failed = error;
  });
  await eventually(() => clock.sleeping === 1);
  await clock.advance(4_999);
  expect(failed).toBeUndefined();
  await eventually(async () => {
    await clock.advance(5_000);
    return failed !== undefined;
  });
  await call;
  expect(failed).toMatchObject({ code: 'unavailable', message: expect.stringContaining('no TLS handshake within 5000 ms') });
});

test('a server of another authority is refused whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
  const other = await (await anotherAuthority()).issue('registry');
  const ours = await ca.issue('gateway');
  // It trusts our clients; they do not trust it.
  const both = join(temporaryFolder(), 'both.crt');
  writeFileSync(both, readFileSync(ours.caFile, 'utf8') + readFileSync(other.caFile, 'utf8'));
  const server = await startServer({ address: tcp, registry: {}, tls: await readTlsIdentity({ ...other, caFile: both }) });
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const client = registryClient(server, { tls: await readTlsIdentity(ours), peer: 'registry' });
  await expect(client.getTenant({})).rejects.toMatchObject({ code: 'unavailable' });
});

test('a service does not start with the certificate of another', async () => {
  const { caFile, certFile, keyFile } = await ca.issue('gateway');
  const settings = { tlsCa: caFile, tlsCert: certFile, tlsKey: keyFile };
  expect((await tlsFrom(settings, { service: 'gateway' }))?.service).toBe('gateway');
  await expect(tlsFrom(settings, { service: 'registry' })).rejects.toMatchObject({
    code: 'config_invalid',
    message: '--tls-cert: got a certificate of the service gateway, expected one of registry',
  });
});
