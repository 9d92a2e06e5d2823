// The access log is moved away while requests are served: each of them has its line, in one file or the other.
import { readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually, RawClient, startApp, startGateway, temporaryFolder } from './testing/fixture.ts';

const clients = 8;
const rotations = 3;

it.each([undefined, 2])('each request has exactly one line, however often the log is moved away (workers: %s)', async (count) => {
  const folder = await temporaryFolder();
  const accessLog = join(folder, 'access.log');
  const { address } = await startApp((_, response) => response.end('ok'));
  const { gateway, port } = await startGateway([{ host: 'acme.test', backends: [address] }], {
    accessLog,
    ...(count !== undefined && { workers: { count, log: { service: 'test', level: 'silent' } } }),
  });
  const asked: string[] = [];
  const stopping = new AbortController();
  const load = Array.from({ length: clients }, async (_, number) => {
    const client = await RawClient.connect(port);
    while (!stopping.signal.aborted) {
      const path = `/${asked.length}-${number}`;
      asked.push(path);
      client.received = '';
      await client.send(`GET ${path} HTTP/1.1\r\nHost: acme.test\r\n\r\n`).untilText('ok');
    }
  });
  const hasLines = () =>
    stat(accessLog).then(
      ({ size }) => size > 0,
      () => false,
    );
  for (let rotation = 1; rotation <= rotations; rotation++) {
    await eventually(hasLines);
    await rename(accessLog, `${accessLog}.${rotation}`);
  }
  await eventually(hasLines);
  stopping.abort();
  await Promise.all(load);
  await gateway.stop();
  const files = (await readdir(folder)).sort();
  expect(files).toEqual(['access.log', ...Array.from({ length: rotations }, (_, index) => `access.log.${index + 1}`)]);
  const paths: string[] = [];
  for (const file of files) {
    const lines = (await readFile(join(folder, file), 'utf8')).trimEnd().split('\n');
    paths.push(...lines.map((line) => JSON.parse(line).path));
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  }
  expect(paths.toSorted()).toEqual(asked.toSorted());
});
