// Numbers of settings are what a person means by one, or an error.
import { expect, it } from 'vitest';
import { fraction, wholeNumber } from './number-schema.ts';

const port = wholeNumber('expected a port from 0 to 65535', 0, 65_535);
const share = fraction('expected a share from 0 to 1', 0, 1);

it('decimal numbers within the bounds are taken', () => {
  expect(['0', '8080', '65535'].map((text) => port.parse(text))).toEqual([0, 8080, 65_535]);
  expect(['0', '1', '0.25', '1.0'].map((text) => share.parse(text))).toEqual([0, 1, 0.25, 1]);
});

it.each(['', ' ', ' 80', '0x50', '1e3', '-1', '+1', '80.5', '65536', 'true', 'Infinity', '9'.repeat(400), '٨٠'])(
  '%j is no port',
  (text) => {
    expect(port.safeParse(text).error?.issues.map(({ message }) => message)).toEqual(['expected a port from 0 to 65535']);
  },
);

it.each(['', ' ', '.5', '1.', '1.1', '0x1', '1e-3', '-0', 'NaN'])('%j is no share', (text) => {
  expect(share.safeParse(text).error?.issues.map(({ message }) => message)).toEqual(['expected a share from 0 to 1']);
});

it('one that is missing may be optional', () => {
  expect(port.optional().parse(undefined)).toBeUndefined();
});
