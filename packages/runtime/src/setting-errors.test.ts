// What is wrong with a setting's value is said in the name of the setting.
import { BurgageError, fieldError, invalidField } from '@burgage/contracts';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { inNameOf } from './setting-errors.ts';
import { defineSettings } from './settings.ts';

const { store, journalKept } = defineSettings({
  store: { flag: 'store', env: 'BURGAGE_STORE', schema: z.string(), description: 'The store.' },
  journalKept: { flag: 'journal-kept', schema: z.string(), description: 'What is kept.' },
});

function thrown(error: unknown): Promise<unknown> {
  return inNameOf({ url: store, kept: journalKept }, () => {
    throw error;
  }).catch((said: unknown) => said);
}

test('an argument that a setting gave is named by flag and variable, and is a setting that is not valid', async () => {
  const cause = new Error('why');
  const field = '--store (BURGAGE_STORE)';
  for (const code of ['invalid_argument', 'config_invalid'] as const) {
    expect(await thrown(fieldError(code, 'url', 'got nonsense, expected sense', cause))).toMatchObject({
      code: 'config_invalid',
      message: `${field}: got nonsense, expected sense`,
      fields: [{ field, description: 'got nonsense, expected sense' }],
      cause,
    });
  }
  expect(await thrown(fieldError('port_taken', 'kept', 'is taken'))).toMatchObject({
    code: 'port_taken',
    message: '--journal-kept: is taken',
  });
});

test('everything else is thrown as it is', async () => {
  for (const error of [
    invalidField('toString', 'is of no setting'),
    fieldError('not_found', 'url', 'is another matter'),
    new BurgageError('config_invalid', { message: 'about no field' }),
    new TypeError('a bug'),
  ]) {
    expect(await thrown(error)).toBe(error);
  }
  expect(await inNameOf({ url: store }, () => 'done')).toBe('done');
});
