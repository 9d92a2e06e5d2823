import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { createLogger } from './logger.ts';
import { type Component, runProcess } from './process.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const folder = mkdtempSync(join(tmpdir(), 'burgage-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function component(name: string, story: string[], changes: Partial<Component> = {}): Component {
  const tell = (what: string) => async () => {
    story.push(`${what} ${name}`);
  };
  return { name, start: tell('start'), drain: tell('drain'), stop: tell('stop'), ...changes };
}

test('components start in order, then drain and stop in reverse, once', async () => {
  const story: string[] = [];
  const running = await runProcess({ name: 'p', logger, signals: false, components: [component('a', story), component('b', story)] });
  await Promise.all([running.stop('test'), running.stop('again')]);
  await running.stopped;
  expect(story).toEqual(['start a', 'start b', 'drain b', 'drain a', 'stop b', 'stop a']);
});

test('a start that fails stops what had started, and says why', async () => {
  const story: string[] = [];
  const failing = component('b', story, { start: () => Promise.reject(new Error('no disk')) });
  await expect(
    runProcess({ name: 'p', logger, signals: false, components: [component('a', story), failing, component('c', story)] }),
  ).rejects.toThrow('no disk');
  expect(story).toEqual(['start a', 'stop b', 'drain a', 'stop a']);
});

test('a drain that never ends, or fails, does not keep the rest from stopping', async () => {
  const story: string[] = [];
  const endless = component('b', story, { drain: () => new Promise(() => {}) });
  const failing = component('c', story, { drain: () => Promise.reject(new Error('x')), stop: () => Promise.reject(new Error('y')) });
  const running = await runProcess({
    name: 'p',
    logger,
    signals: false,
    drainTimeoutMs: 20,
    components: [component('a', story), endless, failing],
  });
  await running.stop('test');
  expect(story.slice(-2)).toEqual(['stop b', 'stop a']);
});

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process of two components, the last of which drains until its standard input says so. */
function startChild(drains: 'at once' | 'never', starts: 'at once' | 'on input' = 'at once') {
  const script = join(folder, 'child.ts');
  writeFileSync(
    script,
    `import { createLogger } from ${JSON.stringify(join(import.meta.dirname, 'logger.ts'))};
     import { runProcess } from ${JSON.stringify(join(import.meta.dirname, 'process.ts'))};
     const [drains, starts] = process.argv.slice(2);
     const say = (text) => process.stdout.write(text + '\\n');
     if (starts === 'on input') process.on('SIGTERM', () => say('signalled'));
     const alive = setInterval(() => {}, 1_000);
     const slow = {
       name: 'slow',
       start: async () => { say('starting'); if (starts === 'on input') { await new Promise((resolve) => process.stdin.once('data', resolve)); process.stdin.pause(); } },
       drain: async () => { say('draining'); if (drains === 'never') await new Promise(() => {}); },
       stop: async () => { say('stopping'); },
     };
     const late = { name: 'late', start: async () => say('late started'), stop: async () => {} };
     const running = await runProcess({ name: 'child', logger: createLogger({ service: 'child', level: 'silent' }), components: [slow, late] });
     say('running');
     await running.stopped;
     clearInterval(alive);
     say('ended');`,
  );
  const child = spawn(process.execPath, [script, drains, starts], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async (text: string) => expect((await lines.next()).value).toBe(text);
  return { child, said, exit: once(child, 'exit') };
}

test('SIGTERM drains and stops, and the process ends by itself', async () => {
  const { child, said, exit } = startChild('at once');
  for (const line of ['starting', 'late started', 'running']) await said(line);
  child.kill('SIGTERM');
  for (const line of ['draining', 'stopping', 'ended']) await said(line);
  expect(await exit).toEqual([0, null]);
});

test('a second signal ends a process that still drains', async () => {
  const { child, said, exit } = startChild('never');
  for (const line of ['starting', 'late started', 'running']) await said(line);
  child.kill('SIGINT');
  await said('draining');
  await systemClock.sleep(500);
  child.kill('SIGINT');
  expect(await exit).toEqual([130, null]);
});

test('the same signal from the terminal and from a parent at once is one wish', async () => {
  const { child, said, exit } = startChild('at once');
  for (const line of ['starting', 'late started', 'running']) await said(line);
  child.kill('SIGINT');
  child.kill('SIGINT');
  for (const line of ['draining', 'stopping', 'ended']) await said(line);
  expect(await exit).toEqual([0, null]);
});

test('a signal during the start stops what has started, and starts nothing more', async () => {
  const { child, said, exit } = startChild('at once', 'on input');
  await said('starting');
  child.kill('SIGTERM');
  await said('signalled');
  child.stdin.end('go\n');
  for (const line of ['draining', 'stopping', 'running', 'ended']) await said(line);
  expect(await exit).toEqual([0, null]);
});
