// Every server of the lab, started, used for what it is there for, stopped, killed and started again.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { MongoClient } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { describeWithLab, type RunningServer, type ServerName, type ToolName, Toxiproxy, tool } from './index.ts';
import { isAlive } from './process-tree.ts';

async function withNats<T>(server: RunningServer, use: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: server.url, maxReconnectAttempts: 0 });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

async function withMongo<T>(url: string, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000 });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

describeWithLab('nats', ['nats'], (lab) => {
  async function storedMessages(server: RunningServer): Promise<number> {
    return await withNats(server, async (connection) => {
      const { state } = await (await jetstreamManager(connection)).streams.info('lab');
      return state.messages;
    });
  }

  test('carries a message, and keeps the stored ones over a restart and a kill', async () => {
    const server = lab.server('nats');
    await withNats(server, async (connection) => {
      const subscription = connection.subscribe('greetings', { max: 1 });
      connection.publish('greetings', 'hello');
      for await (const message of subscription) expect(message.string()).toBe('hello');
      await (await jetstreamManager(connection)).streams.add({ name: 'lab', subjects: ['kept.*'] });
      await jetstream(connection).publish('kept.one', 'one');
    });
    await server.restart();
    expect(await storedMessages(server)).toBe(1);
    await server.kill();
    await server.start();
    expect(await storedMessages(server)).toBe(1);
  });

  test('with user and password, refuses who shows others', async () => {
    const server = await lab.start('nats', { user: 'ann', password: 'p"w' });
    const connection = await connect({ servers: server.url, user: 'ann', pass: 'p"w' });
    await connection.close();
    await expect(connect({ servers: server.url, user: 'ann', pass: 'wrong' })).rejects.toThrow(/authorization/i);
  });

  test('without JetStream and with more configuration, is that', async () => {
    const server = await lab.start('nats', { jetstream: false, config: 'max_payload: 1000' });
    await withNats(server, async ({ info }) => expect(info).toMatchObject({ max_payload: 1_000 }));
    await withNats(server, async ({ info }) => expect(info?.jetstream).toBeFalsy());
  });
});

describeWithLab('mongo and mongo-small', ['mongo', 'mongo-small'], (lab) => {
  describe.each<ServerName>(['mongo', 'mongo-small'])('%s', (name) => {
    test('finds what was inserted, also after a restart and a kill', async () => {
      const server = lab.server(name);
      const find = () => withMongo(server.url, (client) => client.db('lab').collection('things').find().project({ _id: 0 }).toArray());
      await withMongo(server.url, (client) => client.db('lab').collection('things').insertOne({ colour: 'red' }));
      await server.restart();
      expect(await find()).toEqual([{ colour: 'red' }]);
      await server.kill();
      await server.start();
      expect(await find()).toEqual([{ colour: 'red' }]);
    });

    test('with user and password, refuses who shows others or none', async () => {
      const credentials = { user: 'an"n', password: "p'w/" };
      const server = await lab.start(name, credentials);
      const insert = (login: string) =>
        withMongo(`mongodb://${login}${server.host}:${server.port}/`, (client) => client.db('lab').collection('things').insertOne({}));
      const [user, password] = [credentials.user, credentials.password].map(encodeURIComponent);
      expect((await insert(`${user}:${password}@`)).acknowledged).toBe(true);
      await expect(insert(`${user}:wrong@`)).rejects.toThrow(/authentication failed/i);
      await expect(insert('')).rejects.toThrow(/requires authentication/i);
      await server.restart();
      expect((await insert(`${user}:${password}@`)).acknowledged).toBe(true);
      await expect(insert('')).rejects.toThrow(/requires authentication/i);
    });
  });

  test('mongo has partial unique indexes and removes what has expired', async () => {
    const { url } = await lab.start('mongo', { fsync: false });
    await withMongo(url, async (client) => {
      const things = client.db('lab').collection('things');
      await things.createIndex({ name: 1 }, { unique: true, partialFilterExpression: { taken: true } });
      await things.createIndex({ at: 1 }, { expireAfterSeconds: 1 });
      await things.insertOne({ name: 'a' });
      await things.insertOne({ name: 'a', taken: true });
      await expect(things.insertOne({ name: 'a', taken: true })).rejects.toThrow(/duplicate/i);
      await things.insertOne({ name: 'b', at: new Date(0) });
      await expect.poll(() => things.countDocuments({ name: 'b' }), { timeout: 25_000 }).toBe(0);
      expect(await things.countDocuments({ name: 'a' })).toBe(2);
    });
  });
});

describeWithLab('prometheus', ['prometheus'], (lab) => {
  /** The label `job` and the value of every series that `query` finds. */
  async function ask(server: RunningServer, query: string): Promise<unknown> {
    const response = await fetch(`${server.url}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { data } = (await response.json()) as {
      readonly data: {
        readonly result: readonly { readonly metric: { readonly job: string }; readonly value: readonly [number, string] }[];
      };
    };
    return data.result.map(({ metric, value }) => [metric.job, value[1]]);
  }

  test('scrapes itself', async () => {
    const server = lab.server('prometheus');
    await expect.poll(() => ask(server, 'up'), { timeout: 20_000 }).toEqual([['prometheus', '1']]);
  });

  test('scrapes what it is told to, and evaluates rules', async () => {
    const target = lab.server('prometheus');
    const rules = 'groups: [{ name: lab, rules: [{ record: lab:up, expr: up }] }]';
    const server = await lab.start('prometheus', { scrapes: { other: [`${target.host}:${target.port}`] }, scrapeIntervalMs: 200, rules });
    await expect.poll(() => ask(server, 'lab:up'), { timeout: 20_000 }).toEqual([['other', '1']]);
  });
});

describeWithLab('toxiproxy', ['toxiproxy', 'nats'], (lab) => {
  test('cuts, slows, silences and mends a connection', async () => {
    const target = lab.server('nats');
    const toxiproxy = new Toxiproxy(lab.server('toxiproxy').url);
    const proxy = await toxiproxy.createProxy('nats', `${target.host}:${target.port}`);
    const roundTripMs = async () => {
      const connection = await connect({ servers: proxy.address, maxReconnectAttempts: 0, timeout: 2_000 });
      try {
        return await connection.rtt();
      } finally {
        await connection.close();
      }
    };
    expect(await roundTripMs()).toBeLessThan(200);
    await proxy.disable();
    await expect(roundTripMs()).rejects.toThrow();
    await proxy.enable();
    await proxy.addLatency({ latencyMs: 200 });
    expect(await roundTripMs()).toBeGreaterThanOrEqual(200);
    await proxy.silence();
    await expect(roundTripMs()).rejects.toThrow(/timeout/i);
    await proxy.reset();
    expect(await roundTripMs()).toBeLessThan(200);
    await proxy.disable();
    await toxiproxy.reset();
    expect(await roundTripMs()).toBeLessThan(200);
    await proxy.remove();
    await expect(roundTripMs()).rejects.toThrow();
  });
});

describeWithLab('nginx, haproxy and caddy', ['nginx', 'haproxy', 'caddy'], (lab) => {
  const proxies = ['nginx', 'haproxy', 'caddy'] as const;
  const bodyOf = async (url: string): Promise<string> => await (await fetch(url)).text();

  /** What makes each of them a proxy of `address`. */
  const inFrontOf: Readonly<Record<(typeof proxies)[number], (address: string) => Promise<RunningServer>>> = {
    nginx: (address) =>
      lab.start('nginx', {
        main: 'worker_processes 2;',
        events: 'worker_connections 64;',
        http: ({ host, port }) => `access_log off; server { listen ${host}:${port}; location / { proxy_pass http://${address}; } }`,
      }),
    haproxy: (address) =>
      lab.start('haproxy', {
        config: ({ host, port }) => `
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s

listen all
  bind ${host}:${port}
  server behind ${address}
`,
      }),
    caddy: (address) =>
      lab.start('caddy', {
        coresMax: 1,
        config: ({ port }) => `{\n\tadmin off\n\tauto_https off\n}\n:${port} {\n\treverse_proxy ${address}\n}\n`,
      }),
  };

  test.each(proxies)('%s answers, and does what a configuration of its own says', async (name) => {
    expect(await bodyOf(lab.server(name).url)).toBe(`${name}\n`);
    // Another than itself, so that what answers is not what was asked.
    const behind = lab.server(name === 'nginx' ? 'haproxy' : 'nginx');
    const front = await inFrontOf[name](`${behind.host}:${behind.port}`);
    expect(await bodyOf(front.url)).toBe(`${behind.name}\n`);
    await front.restart();
    expect(await bodyOf(front.url)).toBe(`${behind.name}\n`);
  });

  test('each says what it does not take of a configuration', async () => {
    const bad = (): string => 'no_such_thing {\n';
    await expect(lab.start('nginx', { http: bad })).rejects.toThrow(/unknown directive "no_such_thing"/);
    await expect(lab.start('haproxy', { config: bad })).rejects.toThrow(/unknown keyword 'no_such_thing'/);
    await expect(lab.start('caddy', { config: bad })).rejects.toThrow(/Caddyfile:1/);
  });
});

describe.each<ServerName>(['nats', 'mongo', 'mongo-small', 'prometheus', 'toxiproxy', 'nginx', 'haproxy', 'caddy'])(
  'of every server',
  (name) => {
    describeWithLab(name, [name], (lab) => {
      test('a second one is another, and closing it leaves nothing', async () => {
        const first = lab.server(name);
        const second = await lab.start(name);
        expect(second.port).not.toBe(first.port);
        expect(second.folder).not.toBe(first.folder);
        expect(second.url).toBe(`${new URL(second.url).protocol}//127.0.0.1:${second.port}`);
        // Its folder is no other user's business.
        expect((await stat(second.folder)).mode & 0o077).toBe(0);
        const { pid } = second;
        expect(isAlive(pid)).toBe(true);
        await second.close();
        expect(isAlive(pid)).toBe(false);
        expect(() => second.pid).toThrow(/does not run/);
        expect(existsSync(second.folder)).toBe(false);
        expect(isAlive(first.pid)).toBe(true);
      });

      test('start of one that runs does nothing; stop and kill of one that does not, neither', async () => {
        const server = lab.server(name);
        const { pid, port } = server;
        await server.start();
        expect(server.pid).toBe(pid);
        await server.stop();
        await server.stop();
        await server.kill();
        await server.start();
        expect(server.pid).not.toBe(pid);
        expect(server.port).toBe(port);
      });
    });
  },
);

describeWithLab('every program', ['k6', 'grpcurl', 'ghz', 'promtool', 'wrk', 'h2load', 'h2spec', 'varnishtest'], (lab) => {
  test.each([
    ['k6', 'version'],
    ['grpcurl', '-version'],
    ['ghz', '--version'],
    ['promtool', '--version'],
    ['h2load', '--version'],
    ['h2spec', '--version'],
  ] as const)('%s runs', async (name, argument) => {
    const path = lab.tool(name);
    expect(await tool(name)).toBe(path);
    expect(spawnSync(path, [argument]).status).toBe(0);
  });
});

describeWithLab('what asks a server of HTTP', ['nginx', 'wrk', 'h2load', 'h2spec', 'varnishtest'], (lab) => {
  function run(name: ToolName, args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(lab.tool(name), args, { encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
    return stdout;
  }

  test('wrk sends what its script makes', async () => {
    const server = lab.server('nginx');
    const script = join(server.folder, 'load.lua');
    const lines = [
      "function request() return wrk.format('GET', '/by-script') end",
      "function done(summary) print('sent', summary.requests) end",
    ];
    await writeFile(script, lines.join('\n'));
    expect(run('wrk', ['-t1', '-c2', '-d1s', '-s', script, server.url])).toMatch(/^sent\t[1-9]/m);
  });

  test('h2load and h2spec speak HTTP/2', async () => {
    const { host, port, url } = await lab.start('nginx', {
      http: (site) => `access_log off; server { listen ${site.host}:${site.port} http2; return 200 "ok"; }`,
    });
    expect(run('h2load', ['-n', '10', url])).toContain('10 succeeded');
    expect(run('h2spec', ['--host', host, '--port', String(port), 'generic/1'])).toContain('0 failed');
  });

  test('varnishtest plays both sides of a conversation, and fails where one says something else', async () => {
    const server = lab.server('nginx');
    const asked = async (status: number) => {
      const file = join(server.folder, `asks-for-${status}.vtc`);
      const client = `client c1 -connect "${server.host} ${server.port}" {\n  txreq\n  rxresp\n  expect resp.status == ${status}\n} -run\n`;
      await writeFile(file, `vtest "nginx of the lab"\n${client}`);
      return spawnSync(lab.tool('varnishtest'), [file]).status;
    };
    expect(await asked(200)).toBe(0);
    expect(await asked(404)).not.toBe(0);
  });
});
