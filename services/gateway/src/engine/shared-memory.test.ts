// All clients are read into one memory: what waits of one is never another's.
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { acme, makeCertificates } from '../testing/certificates.ts';
import { eventually, makeSilo, RawClient, startApp, startGateway } from '../testing/fixture.ts';
import { connectFrameClient, endHeaders, endStream, frame, head, preface, types } from '../testing/frame-client.ts';

/** An app that says what it got, and holds the answer to `/hold` until it is told. */
async function startEcho() {
  const held: ServerResponse[] = [];
  const { address } = await startApp((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (request.url === '/hold') held.push(response);
      else response.end(`${request.headers['x-mine'] ?? ''} ${body}`);
    });
  });
  return { address, held };
}

const other = (letter: string) =>
  `POST / HTTP/1.1\r\nHost: ${acme}\r\nX-Mine: ${letter.repeat(3_000)}\r\nContent-Length: 3000\r\n\r\n${letter.repeat(3_000)}`;

it.each([
  ['the head and half of the body', -100],
  ['half of the head', 40],
  ['all', 1_000],
])('a request of which %s came and that waits for a connection to the app comes there as it was sent', async (_, cut) => {
  const { address, held } = await startEcho();
  const gateway = await startGateway([{ host: acme, backends: [address] }], { limits: { upstreamConnectionsMax: 1 } });
  // It may have all connections.
  makeSilo(gateway, acme);
  const first = await RawClient.connect(gateway.port);
  first.send(`GET /hold HTTP/1.1\r\nHost: ${acme}\r\n\r\n`);
  await eventually(() => held.length === 1);
  const waiting = await RawClient.connect(gateway.port);
  const request = `POST / HTTP/1.1\r\nHost: ${acme}\r\nX-Mine: aaaaa\r\nContent-Length: 200\r\n\r\n${'a'.repeat(200)}`;
  waiting.send(request.slice(0, cut));
  // Others are read meanwhile.
  for (const letter of 'bcd') {
    const client = await RawClient.connect(gateway.port);
    client.send(other(letter));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  waiting.send(request.slice(cut));
  await new Promise((resolve) => setTimeout(resolve, 20));
  held[0]?.end();
  expect(await waiting.untilText(`aaaaa ${'a'.repeat(200)}`)).not.toMatch(/[bcd]{9}/);
});

it('a frame of HTTP/2 that came in parts is what it was sent as', async () => {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const { address } = await startEcho();
  const gateway = await startGateway([{ host: acme, backends: [address] }], { httpsPort: 0, certificates: certificates.folder });
  const connect = () => connectFrameClient(gateway.httpsPort, certificates.ca);
  const request = (letter: string) => frame(types.headers, endHeaders | endStream, 1, head('GET', ['x-mine', letter.repeat(100)]));
  const slow = await connect();
  slow.socket.write(Buffer.concat([preface, request('a').subarray(0, 70)]));
  for (const letter of 'bcd') {
    const client = await connect();
    client.socket.write(Buffer.concat([preface, request(letter)]));
    await eventually(() => client.dataOf(1).isWhole);
  }
  slow.socket.write(request('a').subarray(70));
  await eventually(() => slow.dataOf(1).isWhole);
  expect(slow.dataOf(1).body).toBe(`${'a'.repeat(100)} `);
});
