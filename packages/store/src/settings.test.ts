// What an operator is told of an address of MongoDB that cannot be used: in the name of the setting, without the password.
import { createLogger, readSettings } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { openStore, storeSettings } from './settings.ts';

const logger = createLogger({ service: 'test', level: 'silent' });

test.each([
  ['mongodb://user:correct@horse@db/registry', 'got what is no MongoDB connection string, expected mongodb://'],
  ['mongodb://db/registry?tls=perhaps', 'got what is no MongoDB connection string, expected mongodb://'],
  ['mongodb://db/a.b', 'got "a.b", expected letters, digits, _ and -, 63 at most'],
])('%s is refused in the name of the flag and the variable', async (url, problem) => {
  const error: unknown = await openStore({ url, database: 'burgage_test', file: '', logger }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining(`--store (BURGAGE_STORE): ${problem}`),
    fields: [{ field: '--store (BURGAGE_STORE)' }],
  });
  expect(String(error)).not.toContain('horse');
});

test('an empty variable is no address, an empty flag is one that is not valid', () => {
  expect(readSettings(storeSettings, { argv: [], env: { BURGAGE_STORE: '' } }).store).toBeUndefined();
  expect(() => readSettings(storeSettings, { argv: ['--store', ''], env: {} })).toThrow('--store: "" is not valid: expected an address');
});
