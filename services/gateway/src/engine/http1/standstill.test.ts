// A process that stood still for longer than anything may take, as on a machine that is short of time, blames nobody for it.
import { expect, it } from 'vitest';
import { RawClient, startApp, startGateway } from '../../testing/fixture.ts';

const shortMs = 100;

/** All of this process, the gateway in it. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * shortMs);
}

it('takes an answer that has come meanwhile, before it looks at what is overdue', async () => {
  const { address } = await startApp((_request, response) => {
    response.end('ok');
    standStill();
  });
  const { port } = await startGateway([{ host: 'acme.test', backends: [address] }], { timeouts: { firstByteMs: shortMs } });
  const client = await RawClient.connect(port);
  for (let count = 0; count < 5; count++) {
    client.received = '';
    await client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n').untilText('ok');
    expect(client.received).toMatch(/^HTTP\/1\.1 200 /);
  }
});
