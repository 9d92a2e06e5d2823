// Tests of where the cache lies.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { cacheFolder } from './cache.ts';

const home = join(homedir(), '.cache/burgage-lab');

test.each([
  ['as it is told', { BURGAGE_LAB_CACHE: '/a/b', XDG_CACHE_HOME: '/c' }, '/a/b'],
  ['relative to where the user stands', { BURGAGE_LAB_CACHE: 'b', INIT_CWD: '/a' }, resolve('/a/b')],
  ['in the cache folder of the desktop', { BURGAGE_LAB_CACHE: '', XDG_CACHE_HOME: '/c' }, '/c/burgage-lab'],
  ['not in one that is relative', { XDG_CACHE_HOME: 'c' }, home],
  ['else at home', {}, home],
])('the cache lies %s', (_, env, expected) => {
  expect(cacheFolder(env)).toBe(expected);
});
