// How a command that is advised begins.
import { expect, test } from 'vitest';
import { calledAs } from './called.ts';

const npx = { npm_lifecycle_event: 'npx', npm_lifecycle_script: 'burgage' };

test('npx is named only where it was npx that started this command', () => {
  expect(calledAs({})).toBe('burgage');
  expect(calledAs(npx)).toBe('npx burgage');
  expect(calledAs({ ...npx, npm_lifecycle_script: 'vitest run cli' })).toBe('burgage');
  expect(calledAs({ npm_lifecycle_event: 'test', npm_lifecycle_script: 'burgage plans' })).toBe('burgage');
});

test('the options that lead to the platform are given again, each as one word of a shell', () => {
  expect(calledAs({}, { data: '/srv/burgage' })).toBe('burgage --data /srv/burgage');
  expect(calledAs(npx, { data: 'my data' })).toBe("npx burgage --data 'my data'");
  expect(calledAs({}, { data: "it's $HOME" })).toBe("burgage --data 'it'\\''s $HOME'");
  expect(calledAs({}, { api: 'https://api.example.com' })).toBe('burgage --api https://api.example.com');
});
