// What only the platform may ask an app.
import { describe, expect, it } from 'vitest';
import { isReserved } from './reserved-paths.ts';

describe('isReserved', () => {
  it.each([
    ['/_burgage', true],
    ['/_burgage/tenants/ten_1', true],
    ['/_Burgage/x', true],
    ['/%5fburgage/x', true],
    ['/_%62urgage/x', true],
    ['/%255fburgage/x', true],
    ['//_burgage/x', true],
    ['/./_burgage', true],
    ['/a/../_burgage', true],
    ['/a%2f..%2f_burgage', true],
    ['/\\_burgage', true],
    ['/_burgage;v=1/x', true],
    ['/_burgage?x', true],
    ['/', false],
    ['/burgage', false],
    ['/_burgages', false],
    ['/docs/_burgage', false],
    ['/?next=/_burgage', false],
    ['/100%', false],
  ])('%s: %s', (target, reserved) => {
    expect(isReserved(target)).toBe(reserved);
  });
});
