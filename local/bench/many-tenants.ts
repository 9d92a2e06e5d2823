// A store of the registry with very many tenants, and the processes of services that are measured beside it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hostName, tenantId } from '@burgage/gateway/bench';
import { openDocuments, type RegistryDocuments } from '@burgage/registry/documents';
import { openSqliteStore, type Store } from '@burgage/store';
import { freePort } from '../src/ports.ts';
import { until } from '../stories/platform.ts';

const repository = resolve(import.meta.dirname, '../..');
const loopback = '127.0.0.1';
/** Writes that are asked for at once, and so share a transaction. */
const writersAtOnce = 500;

/** A service as a process of its own, with its admin port; killed when it is disposed of. */
export class ServiceProcess implements AsyncDisposable {
  readonly adminPort: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, adminPort: number) {
    this.#child = child;
    this.adminPort = adminPort;
  }

  static async start(service: 'gateway' | 'registry', args: readonly string[]): Promise<ServiceProcess> {
    const adminPort = await freePort(loopback);
    const script = join(repository, 'services', service, 'src', 'main.ts');
    const child = spawn(process.execPath, [script, ...args, '--admin-port', String(adminPort), '--log-level', 'warn'], {
      cwd: repository,
      env: { PATH: process.env.PATH ?? '' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const stop = (): void => void child.kill('SIGKILL');
    process.once('exit', stop);
    child.once('exit', () => process.off('exit', stop));
    return new ServiceProcess(child, adminPort);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it is ready. */
  async ready(): Promise<void> {
    await until('the process is ready', async () => {
      if (this.#child.exitCode !== null) throw new Error(`the process ended with ${this.#child.exitCode} before it was ready`);
      return (await fetch(`http://${loopback}:${this.adminPort}/readyz`).catch(() => undefined))?.ok;
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

export interface ManyTenants {
  readonly count: number;
  /** host:port of the app of all of them; default one where nobody listens. */
  readonly endpoint?: string;
  /** What else is written before the registry starts. */
  readonly more?: (documents: RegistryDocuments) => Promise<void>;
  readonly say: (text: string) => void;
}

/** The upstream of all of them. */
export const sharedUpstream = 'bench-shared';

/** Fills a store in `data` with tenants, each with the host of the same number: a registry on that folder has them. */
export async function fillStore(data: string, { count, endpoint = '127.0.0.1:9', more, say }: ManyTenants): Promise<void> {
  await mkdir(join(data, 'store'));
  const store: Store = await openSqliteStore({ file: storeFile(data) });
  try {
    const documents = openDocuments(store);
    await documents.upstreams.insert(sharedUpstream, { name: sharedUpstream, endpoints: [{ address: endpoint, weight: 1, zone: '' }] });
    for (let first = 0; first < count; first += writersAtOnce) {
      const numbers = Array.from({ length: Math.min(writersAtOnce, count - first) }, (_, index) => first + index);
      await Promise.all(numbers.flatMap((number) => putTenant(documents, { number, host: hostName(number), upstream: sharedUpstream })));
      if (first % 100_000 === 0 && first > 0) say(`  ${first.toLocaleString('en')} tenants written …`);
    }
    await more?.(documents);
  } finally {
    await store.close();
  }
}

export function storeFile(data: string): string {
  return join(data, 'store', 'registry.sqlite');
}

export interface BenchTenant {
  /** Of its id and slug. */
  readonly number: number;
  readonly host: string;
  readonly upstream: string;
  /** Default 20, as a trial has. */
  readonly requestsPerSecond?: number;
}

/** An active tenant with one host, as the registry would have it: nobody is told. */
export function putTenant(
  documents: RegistryDocuments,
  { number, host, upstream, requestsPerSecond = 20 }: BenchTenant,
): readonly Promise<unknown>[] {
  const slug = `tenant-${number}`;
  return [
    documents.hosts.insert(host, { host, tenantId: tenantId(number) }),
    documents.tenants.insert(tenantId(number), {
      id: tenantId(number),
      fingerprint: String(number),
      slug,
      formerSlug: '',
      company: `Company ${number}`,
      plan: 'trial',
      catalog: 'litedesk',
      isolation: 'pool',
      state: 'active',
      holds: [],
      ownerEmail: `owner@${slug}.test`,
      createTimeMs: number,
      hosts: [host],
      upstream,
      limits: { requestsPerSecond, concurrency: requestsPerSecond, bodyBytesMax: 1_048_576 },
      features: ['contacts'],
      entitlementVersion: 1,
      branding: { name: `Company ${number}`, color: '#335577' },
      failure: '',
      operationId: '',
      fenceToken: 1,
    }),
  ];
}

/** A metric of the process with this admin port, and NaN where it does not answer yet. */
export async function metric(port: number, name: string): Promise<number> {
  const text = await fetch(`http://${loopback}:${port}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}
