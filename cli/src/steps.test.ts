// The live view of steps: what a terminal shows after each change.
import type { Progress } from '@burgage/api';
import { expect, test } from 'vitest';
import { liveSteps, plainSteps } from './steps.ts';
import type { Terminal } from './terminal.ts';

/** As much of a terminal as the live view uses: lines, a cursor, going up, clearing below. */
class Screen {
  lines = [''];
  row = 0;

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences that a terminal reads
    for (const part of text.split(/(\u001b\[\d*[A-Za-z]|\r|\n)/)) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
      const up = /^\u001b\[(\d+)A$/.exec(part);
      if (up) this.row -= Number(up[1]);
      else if (part === '\u001b[J') this.lines = [...this.lines.slice(0, this.row), ''];
      else if (part === '\n') {
        this.row += 1;
        this.lines[this.row] ??= '';
      } else if (part !== '\r') this.lines[this.row] += part;
    }
  }
}

function terminal(screen: Screen, columns: number): Terminal {
  return {
    out: (text) => screen.write(text),
    err: () => {},
    live: true,
    color: false,
    errColor: false,
    canAsk: false,
    ask: async () => undefined,
    columns: () => columns,
    env: {},
    cwd: '/',
    now: () => new Date(0),
    sleep: async () => {},
    interrupted: () => new AbortController().signal,
  };
}

const entry = (step: string, stepState: NonNullable<Progress['stepState']>, more: Partial<Progress> = {}): Progress => ({
  operationId: 'op_1',
  sequence: 1,
  time: '2026-03-01T12:00:00.000Z',
  operationState: 'running',
  step,
  stepState,
  ...more,
});

test('one line is drawn anew at each change and ends with the address', () => {
  const screen = new Screen();
  const view = liveSteps(terminal(screen, 200));
  view.progress(entry('slug', 'running'));
  expect(screen.lines).toEqual(['▸ slug']);
  view.progress(entry('slug', 'done', { detail: 'acme' }));
  view.progress(entry('dns', 'not_needed'));
  view.progress(entry('owner', 'retrying'));
  expect(screen.lines).toEqual(['✔ slug acme – dns ↻ owner']);
  view.progress(entry('owner', 'done', { detail: 'created' }));
  view.end('live in 0.4 s:  http://acme.localhost:8080');
  expect(screen.lines).toEqual(['✔ slug acme – dns ✔ owner live in 0.4 s:  http://acme.localhost:8080', '']);
});

test('on a narrow terminal whole steps go to the next line, and nothing is left over from before', () => {
  const screen = new Screen();
  const view = liveSteps(terminal(screen, 24));
  for (const name of ['slug', 'database', 'files', 'route', 'owner']) {
    view.progress(entry(name, 'running'));
    view.progress(entry(name, 'done'));
  }
  view.end('live in 0.4 s');
  expect(screen.lines).toEqual(['✔ slug ✔ database', '✔ files ✔ route ✔ owner', 'live in 0.4 s', '']);
});

test('an operation that had ended before shows its steps all the same', () => {
  const screen = new Screen();
  liveSteps(terminal(screen, 80)).end('done');
  expect(screen.lines).toEqual(['done', '']);
});

test('plain lines tell tries and errors, and nothing of what only begins or was said when it was done', () => {
  const lines: string[] = [];
  const view = plainSteps((text) => lines.push(text));
  view.progress(entry('health', 'running', { attempt: 1 }));
  view.progress(entry('health', 'retrying', { attempt: 1, error: { code: 'app_unhealthy', message: 'It is not\u001b healthy.' } }));
  view.progress(entry('health', 'failed', { attempt: 2 }));
  view.progress(entry('route', 'undone', { detail: 'routes at revision 5' }));
  view.end();
  expect(lines).toEqual([
    '↻ health  retrying, after attempt 1, It is not\ufffd healthy. [app_unhealthy]\n',
    '✖ health  failed\n',
    '↩ route  undone\n',
  ]);
});

test('why a step is tried again stands below the line until it is done', () => {
  const screen = new Screen();
  const view = liveSteps(terminal(screen, 60));
  view.progress(entry('slug', 'done', { detail: 'acme' }));
  view.progress(entry('health', 'running', { attempt: 1 }));
  view.progress(entry('health', 'retrying', { attempt: 1, error: { code: 'app_unhealthy', message: 'It answered 503.' } }));
  expect(screen.lines).toEqual(['✔ slug acme ↻ health', '↻ health: attempt 1: It answered 503. [app_unhealthy]']);
  view.progress(entry('health', 'running', { attempt: 2 }));
  expect(screen.lines).toEqual(['✔ slug acme ▸ health', '▸ health: attempt 1: It answered 503. [app_unhealthy]']);
  view.progress(entry('health', 'retrying', { attempt: 2, error: { code: 'app_unhealthy', message: 'It was\u001b silent.' } }));
  expect(screen.lines[1]).toBe('↻ health: attempt 2: It was\ufffd silent. [app_unhealthy]');
  view.progress(entry('health', 'done', { attempt: 3 }));
  view.end('live in 1 s');
  expect(screen.lines).toEqual(['✔ slug acme ✔ health live in 1 s', '']);
});

test('what a step waits for stands below the line until it goes on', () => {
  const screen = new Screen();
  const view = liveSteps(terminal(screen, 60));
  view.progress(entry('begin', 'done'));
  view.progress(entry('grace', 'waiting', { detail: 'nothing is removed before 2026-03-08\u001b' }));
  expect(screen.lines).toEqual(['✔ begin ◷ grace', '◷ grace: nothing is removed before 2026-03-08\ufffd']);
  view.progress(entry('grace', 'running', { attempt: 1 }));
  expect(screen.lines).toEqual(['✔ begin ▸ grace']);
  const lines: string[] = [];
  plainSteps((text) => lines.push(text)).progress(entry('grace', 'waiting', { detail: 'nothing is removed before 2026-03-08' }));
  expect(lines).toEqual(['◷ grace  waiting, nothing is removed before 2026-03-08\n']);
});

test('after an undo the step that failed is the one that is marked so, with its reason', () => {
  const screen = new Screen();
  const view = liveSteps(terminal(screen, 40));
  const error = { code: 'app_unhealthy', message: 'The application answered 503 each time.' };
  view.progress(entry('slug', 'done', { detail: 'acme' }));
  view.progress(entry('health', 'failed', { attempt: 5, error }));
  for (const state of ['undoing', 'undone'] as const) {
    view.progress(entry('health', state, { error }));
    view.progress(entry('slug', state));
  }
  view.end();
  expect(screen.lines).toEqual([
    '↩ slug acme ✖ health',
    '✖ health: attempt 5: The application',
    'answered 503 each time. [app_unhealthy]',
    '',
  ]);
});
