// A relay of bytes on node:net, and nothing else: `node relay.ts HOST PORT APP_HOST APP_PORT`. It looks at no byte but the first ones:
// what begins no tunnel gets a 404. Nobody who reads too slowly is waited for.
import { connect, createServer, type Socket } from 'node:net';

const [host = '', port = '', appHost = '', appPort = ''] = process.argv.slice(2);
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

function relay(client: Socket, first: Buffer): void {
  const app = connect({
    host: appHost,
    port: Number(appPort),
    noDelay: true,
    onread: {
      buffer: readBuffer,
      callback: (count) => {
        client.write(Buffer.from(readBuffer.subarray(0, count)));
        return true;
      },
    },
  });
  app.write(first);
  client.on('data', (bytes) => app.write(bytes));
  client.on('close', () => app.destroy());
  app.on('error', () => client.destroy());
  app.on('close', () => client.destroy());
}

const server = createServer({ noDelay: true }, (client) => {
  client.on('error', () => client.destroy());
  client.once('data', (first: Buffer) => {
    if (/^upgrade:/im.test(first.toString('latin1'))) relay(client, first);
    else client.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
});
server.listen(Number(port), host);
