import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { currentContext, runInContext } from './context.ts';
import { parseTraceparent } from './traceparent.ts';
import { beginSpan, startTracing, withSpan } from './tracing.ts';

const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('spans arrive at the collector, in the trace of the context and under it', async () => {
  const bodies: Buffer[] = [];
  const collector = createServer(async (request, response) => {
    bodies.push(Buffer.concat(await Array.fromAsync(request)));
    expect(request.url).toBe('/v1/traces');
    response.end();
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`;
  const tracing = await startTracing({ service: 'registry', env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
  await tracing.start();
  try {
    await runInContext({ traceparent: parent }, async () => {
      await withSpan('put route', { tenant: 'ten_1' }, async () => {
        const inner = parseTraceparent(currentContext().traceparent ?? '');
        expect(inner?.traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
        expect(inner?.spanId).not.toBe('00f067aa0ba902b7');
      });
      await expect(withSpan('fails', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    });
  } finally {
    await tracing.stop();
    collector.close();
  }
  const sent = Buffer.concat(bodies);
  for (const text of ['registry', 'put route', 'ten_1', 'fails']) expect(sent.includes(text)).toBe(true);
  for (const hex of ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']) expect(sent.includes(Buffer.from(hex, 'hex'))).toBe(true);
});

test('without a collector the trace context is passed on as it is, and none is made up', async () => {
  const tracing = await startTracing({ service: 'registry', env: {} });
  await tracing.start();
  expect(await runInContext({ traceparent: parent }, () => withSpan('x', {}, () => currentContext().traceparent))).toBe(parent);
  expect(await withSpan('x', {}, () => currentContext().traceparent)).toBeUndefined();
  expect(beginSpan('x').traceparent).toBeUndefined();
  await tracing.stop();
});

test('without a collector nothing of OpenTelemetry is even loaded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'burgage-tracing-'));
  try {
    const script = join(folder, 'loads.ts');
    writeFileSync(
      script,
      `import { registerHooks } from 'node:module';
       const loaded = [];
       registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
       const { startTracing, withSpan } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))});
       await (await startTracing({ service: 'x', env: {} })).start();
       await withSpan('x', {}, () => {});
       process.stdout.write(JSON.stringify({ all: loaded.length, telemetry: loaded.filter((url) => url.includes('@opentelemetry') && !url.includes('prom-client')) }));`,
    );
    const { stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    const { all, telemetry } = JSON.parse(stdout);
    expect(all).toBeGreaterThan(10);
    // prom-client loads the interfaces (not the SDK) for its exemplars.
    expect(telemetry.filter((url: string) => !url.includes('@opentelemetry/api/'))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a collector address that is none is refused by name', async () => {
  await expect(startTracing({ service: 'x', env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' } })).rejects.toMatchObject({
    code: 'config_invalid',
    fields: [{ field: 'OTEL_EXPORTER_OTLP_ENDPOINT' }],
  });
});
