// Why TLS handshakes fail, in a few words that a metric can be labelled with.

/**
 * `no_certificate`: none for the name that the client asked for, or none that it can use · `protocol`: a version, a cipher or
 * an application protocol that is not served, or no TLS at all · `refused`: the client did not like our certificate ·
 * `client_gone` · `timeout` · `other`.
 */
export type HandshakeFailure = 'no_certificate' | 'protocol' | 'refused' | 'client_gone' | 'timeout' | 'other';

/** Nobody has told us of a certificate for the name that the client asked for. */
export class NoCertificate extends Error {
  readonly code = 'NO_CERTIFICATE';
}

const byCode: Readonly<Record<string, HandshakeFailure>> = {
  NO_CERTIFICATE: 'no_certificate',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'no_certificate',
  ERR_SSL_NO_SHARED_CIPHER: 'no_certificate',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'protocol',
  ERR_SSL_VERSION_TOO_LOW: 'protocol',
  ERR_SSL_WRONG_VERSION_NUMBER: 'protocol',
  ERR_SSL_UNKNOWN_PROTOCOL: 'protocol',
  ERR_SSL_HTTP_REQUEST: 'protocol',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'protocol',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'protocol',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'protocol',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ECONNRESET: 'client_gone',
  EPIPE: 'client_gone',
};

export function handshakeFailure(error: Error): HandshakeFailure {
  const { code = '' } = error as NodeJS.ErrnoException;
  return byCode[code] ?? (code.includes('ALERT') ? 'refused' : 'other');
}
