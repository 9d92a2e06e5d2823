// Addresses of settings: refused in the name of the setting, taken as they are otherwise.
import { defineSettings } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { listenAddressFrom, targetFrom } from './address-settings.ts';
import type { TlsIdentity } from './tls-identity.ts';

const { registry } = defineSettings({
  registry: { flag: 'registry', env: 'BURGAGE_REGISTRY_ADDRESS', schema: z.string(), description: 'The registry.' },
});
const tls = { service: 'api' } as TlsIdentity;
const name = '--registry (BURGAGE_REGISTRY_ADDRESS)';

test('what is no address, and TCP without an identity, are refused in the name of the setting', async () => {
  for (const read of [listenAddressFrom, targetFrom]) {
    for (const [text, problem] of [
      ['nonsense', '"nonsense" is not valid: expected unix:/path'],
      ['127.0.0.1:99999', '"127.0.0.1:99999" is not valid: expected unix:/path'],
      ['127.0.0.1:9000', '"127.0.0.1:9000" is not valid: expected unix:/path where --tls-ca, --tls-cert and --tls-key are missing'],
    ] as const) {
      await expect(read(registry, text, undefined)).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining(`${name}: ${problem}`),
        fields: [{ field: name }],
      });
    }
  }
});

test('others are taken as they are', async () => {
  expect(await listenAddressFrom(registry, '127.0.0.1:0', tls)).toBe('127.0.0.1:0');
  expect(await targetFrom(registry, 'dns:///registry:9000', tls)).toBe('dns:///registry:9000');
  expect(await targetFrom(registry, 'unix:/run/registry.sock', undefined)).toBe('unix:/run/registry.sock');
});
