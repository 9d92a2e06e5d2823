// Clients of several tenants, over HTTP/1.1 or HTTP/2: the same questions, whatever they are asked in.
import { once } from 'node:events';
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { type Certificates, makeCertificates } from './certificates.ts';
import { onTestEnd, RawClient, type StartedGateway } from './fixture.ts';

export const protocols = ['HTTP/1.1', 'HTTP/2'] as const;
export type Protocol = (typeof protocols)[number];

/** A connection of a client of one host; in HTTP/2 it can ask several things at once. */
export interface HostClient {
  /** The status of the answer, once that has come whole. */
  ask(path?: string): Promise<number>;
  /** Begins to ask, and reads nothing of the answer. */
  leaveUnread(path: string): void;
}

export interface HostClients {
  /** What the gateway has to be started with. */
  readonly options: { readonly httpsPort?: number; readonly certificates?: string };
  open(gateway: Pick<StartedGateway, 'port' | 'httpsPort'>, host: string): Promise<HostClient>;
}

/** @param hosts of `burgage.internal`. */
export async function clientsOf(protocol: Protocol, hosts: readonly string[]): Promise<HostClients> {
  if (protocol === 'HTTP/1.1') return { options: {}, open: ({ port }, host) => openHttp1(port, host) };
  const certificates = await makeCertificates();
  for (const host of hosts) await certificates.put(host);
  return {
    options: { httpsPort: 0, certificates: certificates.folder },
    open: ({ httpsPort }, host) => openHttp2(httpsPort, host, certificates),
  };
}

async function openHttp1(port: number, host: string): Promise<HostClient> {
  const client = await RawClient.connect(port);
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  return {
    ask: async (path = '/') => {
      client.received = '';
      client.send(get(path));
      const isWhole = ({ received }: RawClient) => {
        const [, head, bytes] = /^([\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n)/i.exec(received) ?? [];
        return head !== undefined && received.length >= head.length + Number(bytes);
      };
      return Number((await client.until(isWhole)).slice(9, 12));
    },
    leaveUnread: (path) => {
      client.socket.pause();
      client.send(get(path));
    },
  };
}

async function openHttp2(port: number, host: string, { ca }: Certificates): Promise<HostClient> {
  const session = connectHttp2(`https://${host}`, { ca, host: '127.0.0.1', port, servername: host });
  session.on('error', () => {});
  onTestEnd(async () => session.destroy());
  await once(session, 'remoteSettings');
  const request = (path: string): ClientHttp2Stream => {
    const stream = session.request({ ':path': path, ':authority': host });
    stream.on('error', () => {});
    return stream;
  };
  return {
    ask: async (path = '/') => {
      const stream = request(path);
      let status = 0;
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
      });
      stream.resume();
      await once(stream, 'close');
      return status;
    },
    leaveUnread: (path) => void request(path),
  };
}
