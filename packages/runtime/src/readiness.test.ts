import { expect, test } from 'vitest';
import { Readiness } from './readiness.ts';

test('a process is ready when every part of it is, and says which part is not and why', () => {
  const readiness = new Readiness();
  expect(readiness.report()).toEqual({ ready: true, checks: {} });
  readiness.set('store', true);
  readiness.set('registry', false, 'cannot be reached');
  expect(readiness.report()).toEqual({
    ready: false,
    checks: { store: { ready: true }, registry: { ready: false, reason: 'cannot be reached' } },
  });
  readiness.set('registry', true);
  expect(readiness.report()).toEqual({ ready: true, checks: { store: { ready: true }, registry: { ready: true } } });
});
