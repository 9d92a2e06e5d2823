// The address of a NATS cluster: servers and credentials out of one setting, never a credential in a message.
import { type BurgageError, fieldError } from '@burgage/contracts';

export interface NatsAddress {
  /** `host:port`. */
  readonly servers: readonly string[];
  /** At least one server is to be reached with TLS. */
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

const portDefault = 4222;

/**
 * `nats://host:4222`, `nats://user:password@host`, `nats://token@host`, `tls://…`; several of one cluster separated by commas,
 * of which the first that has credentials gives them.
 *
 * @throws BurgageError `config_invalid`; its message holds no credential.
 */
export function parseAddress(text: string): NatsAddress {
  const urls = text.split(',').map((part, index) => parseUrl(part.trim(), index));
  return {
    servers: urls.map(({ server }) => server),
    tls: urls.some(({ tls }) => tls),
    ...urls.find(({ credentials }) => credentials !== undefined)?.credentials,
  };
}

interface ServerUrl {
  readonly server: string;
  readonly tls: boolean;
  readonly credentials: Pick<NatsAddress, 'user' | 'password' | 'token'> | undefined;
}

function parseUrl(text: string, index: number): ServerUrl {
  const url = URL.parse(text);
  if (url === null || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') throw invalid(index);
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') throw invalid(index);
  return {
    server: `${url.hostname}:${url.port === '' ? portDefault : url.port}`,
    tls: url.protocol === 'tls:',
    credentials: url.username === '' ? undefined : credentialsOf(url, index),
  };
}

function credentialsOf({ username, password }: URL, index: number): ServerUrl['credentials'] {
  try {
    const first = decodeURIComponent(username);
    return password === '' ? { token: first } : { user: first, password: decodeURIComponent(password) };
  } catch {
    throw invalid(index);
  }
}

function invalid(index: number): BurgageError {
  const description = `server ${index + 1} is not an address of NATS, expected nats://user:password@host:port or tls://…`;
  return fieldError('config_invalid', 'url', description);
}
