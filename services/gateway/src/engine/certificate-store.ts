// Where the certificates of TLS come from.

/** A certificate with those between it and its authority, and its key, both as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  /** Another after every change. */
  readonly stamp: string;
  /** When it ends, in milliseconds since 1970. */
  readonly validToMs: number;
  /** What somebody should see to, in sentences; it can be used all the same. */
  readonly complaints: readonly string[];
}

export interface CertificateStore {
  /**
   * The pair for that name, which is a normalised host, `*.` and one, or `default`; undefined: there is none; `unchanged`: it
   * still is the one with the stamp that is known. @throws BurgageError `config_invalid` where what is there cannot be used.
   */
  read(name: string, knownStamp?: string): Promise<KeyPair | 'unchanged' | undefined>;
}
