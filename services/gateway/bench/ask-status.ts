// The status that a proxy answers a host with that it does not serve: it stands.
import { request } from 'node:http';
import { request as requestSecurely } from 'node:https';

export function askStatus({ host, port }: { readonly host: string; readonly port: number }, isSecure: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = isSecure
      ? requestSecurely({ host, port, agent: false, rejectUnauthorized: false })
      : request({ host, port, agent: false });
    asked.on('response', (answer) => resolve(answer.resume().statusCode ?? 0));
    asked.on('error', reject).end();
  });
}
