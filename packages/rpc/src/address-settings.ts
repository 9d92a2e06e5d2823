// Addresses as settings give them: what is wrong with one is said in the name of its setting, before anything is opened.
import { inNameOf, type Setting } from '@burgage/runtime';
import { type Address, parseAddress, parseTarget, unprotected } from './address.ts';
import type { TlsIdentity } from './tls-identity.ts';

/**
 * `text` as `createRpcServer` takes it.
 * @throws BurgageError `config_invalid`, naming `setting`, for an address that is not valid, and for TCP without `tls`.
 */
export function listenAddressFrom(setting: Setting, text: string, tls: TlsIdentity | undefined): Promise<string> {
  return checked(setting, text, parseAddress, tls);
}

/** `text` as `createRpcClient` takes it. @throws as `listenAddressFrom`. */
export function targetFrom(setting: Setting, text: string, tls: TlsIdentity | undefined): Promise<string> {
  return checked(setting, text, parseTarget, tls);
}

function checked(
  setting: Setting,
  text: string,
  parse: (text: string) => Pick<Address, 'kind'>,
  tls: TlsIdentity | undefined,
): Promise<string> {
  return inNameOf({ address: setting }, () => {
    if (parse(text).kind === 'tcp' && tls === undefined) throw unprotected(text);
    return text;
  });
}
