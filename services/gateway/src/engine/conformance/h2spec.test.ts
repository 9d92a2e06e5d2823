// What others ask of HTTP/2: h2spec, which holds a server to the specification, and a client that is not Node's.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describeWithLab, tool } from '@burgage/lab';
import { expect, test } from 'vitest';
import { makeCertificates } from '../../testing/certificates.ts';
import { metricValue, startApp, startGateway } from '../../testing/fixture.ts';

const run = promisify(execFile);

/** What is otherwise than h2spec has it, which goes by RFC 7540, and why that is well. By section and number. */
const exceptions: Readonly<Record<string, string>> = {};

async function startLocal() {
  const certificates = await makeCertificates();
  await certificates.put('localhost.burgage.internal', 'localhost');
  const app = await startApp((request, response) => {
    request.resume().on('end', () => response.end('x'.repeat(1_000)));
  });
  return await startGateway([{ host: 'localhost', backends: [app.address] }], { httpsPort: 0, certificates: certificates.folder });
}

/** Section and number of what is listed at the end as failed. */
function failuresIn(report: string): string[] {
  const failures: string[] = [];
  let section = '';
  for (const line of report.slice(report.indexOf('Failures:')).split('\n')) {
    section = /^\s*(\d+(?:\.\d+)*)\. /.exec(line)?.[1] ?? section;
    const number = /^\s*× (\d+): /.exec(line)?.[1];
    if (number !== undefined) failures.push(`${section}/${number}`);
  }
  return failures;
}

describeWithLab('HTTP/2', ['h2spec', 'h2load'], () => {
  test('is spoken as h2spec wants it, but for what is listed', async () => {
    const { httpsPort, metrics } = await startLocal();
    const args = ['--tls', '--insecure', '--host', 'localhost', '--port', String(httpsPort), '--timeout', '2'];
    const { stdout } = await run(await tool('h2spec'), args, { maxBuffer: 16 * 1024 * 1024 }).catch((error: { stdout: string }) => error);
    expect(stdout).toMatch(/^145 tests, \d+ passed, 0 skipped, /m);
    expect(failuresIn(stdout).filter((failure) => exceptions[failure] === undefined)).toEqual([]);
    expect(await metricValue(metrics, 'burgage_gateway_requests_in_flight')).toBe(0);
  }, 180_000);

  test('serves h2load, many streams on many connections, every one of them', async () => {
    const { httpsPort, metrics } = await startLocal();
    const args = ['--requests', '3000', '--clients', '10', '--max-concurrent-streams', '10', `https://localhost:${httpsPort}/`];
    const { stdout } = await run(await tool('h2load'), args);
    expect(stdout).toContain('3000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(stdout).toContain('Application protocol: h2');
    expect(await metricValue(metrics, 'burgage_gateway_requests_in_flight')).toBe(0);
  });
});
