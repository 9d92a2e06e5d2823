// Shows the steps of an operation while they happen: one line that is drawn anew on a terminal, a line a step elsewhere.
import type { Operation, Progress, Step } from '@burgage/api';
import { cut, paint, plainText, widthOf } from './render.ts';
import type { Terminal } from './terminal.ts';

export interface StepsView {
  progress(entry: Progress): void;
  /** Leaves what was shown, with `closing` behind or below it. */
  end(closing?: string): void;
}

type StepState = Step['state'];

const marks: Readonly<Record<StepState, string>> = {
  pending: '·',
  running: '▸',
  done: '✔',
  not_needed: '–',
  retrying: '↻',
  failed: '✖',
  undoing: '↩',
  undone: '↩',
  waiting: '◷',
};

/** A step's mark in its colour. */
export function markOf(state: StepState, wanted: boolean): string {
  const { dim, green, red, yellow } = paint(wanted);
  const colors: Partial<Record<StepState, (text: string) => string>> = {
    done: green,
    failed: red,
    running: yellow,
    retrying: yellow,
    waiting: yellow,
  };
  return (colors[state] ?? dim)(marks[state]);
}

interface LiveStep {
  readonly state: StepState;
  readonly label: string;
  /** Its last error, until it is done, or what it waits for. */
  readonly note: string | undefined;
}

/**
 * One line (more where the terminal is narrow) with every step that has begun, and below it why steps are tried again,
 * wait or have failed; drawn anew at each change. The step that an operation is undone for stays marked as failed.
 */
export function liveSteps(terminal: Terminal): StepsView {
  const { dim, red, yellow } = paint(terminal.color);
  const steps = new Map<string, LiveStep>();
  let drawnLines = 0;

  function draw(tail: readonly string[] = []): void {
    const columns = terminal.columns() ?? 80;
    const parts = [...steps.values()].map(
      ({ state, label }) => `${markOf(state, terminal.color)} ${state === 'not_needed' ? dim(label) : label}`,
    );
    const notes = [...steps].flatMap(([step, { state, note }]) => {
      if (note === undefined) return [];
      const words = `${marks[state]} ${step}: ${note}`.split(' ').map((word) => cut(word, columns - 1));
      return wrap(words, columns).map(state === 'failed' ? red : yellow);
    });
    const lines = [...wrap([...parts, ...tail], columns), ...notes];
    const back = drawnLines > 1 ? `\u001b[${drawnLines - 1}A` : '';
    terminal.out(`${drawnLines > 0 ? `${back}\r\u001b[J` : ''}${lines.join('\n')}`);
    drawnLines = lines.length;
  }

  return {
    progress: ({ step, stepState, detail, error, attempt }) => {
      if (step === undefined || stepState === undefined) return;
      const before = steps.get(step);
      const undone = before?.state === 'failed' && (stepState === 'undoing' || stepState === 'undone');
      const state = undone ? 'failed' : stepState;
      const named = step === 'slug' && state === 'done' && detail;
      steps.set(step, {
        state,
        label: named ? `${step} ${plainText(detail)}` : (before?.label ?? step),
        note: noteOf(),
      });
      draw();

      function noteOf(): string | undefined {
        if (undone || (error === undefined && state === 'running' && before?.state === 'retrying')) return before?.note;
        if (state === 'waiting') return detail && plainText(detail);
        return error && troubleOf(error, attempt);
      }
    },
    end: (closing) => {
      if (closing !== undefined) draw([closing]);
      if (drawnLines > 0) terminal.out('\n');
    },
  };
}

function troubleOf({ message, code }: NonNullable<Progress['error']>, attempt: number | undefined): string {
  return plainText(`${attempt === undefined ? '' : `attempt ${attempt}: `}${message} [${code}]`);
}

/** One line for each step that has come to something, for logs and pipes. */
export function plainSteps(write: (text: string) => void): StepsView {
  return {
    progress: ({ step, stepState, detail, error, attempt }) => {
      if (step === undefined || stepState === undefined || ['pending', 'running', 'undoing'].includes(stepState)) return;
      const words = stepState === 'not_needed' ? 'not needed' : stepState === 'done' ? undefined : stepState;
      const tries = stepState === 'retrying' && attempt !== undefined ? `after attempt ${attempt}` : undefined;
      // What was done, or failed, was said when it was.
      const what = stepState === 'undone' ? [] : [detail, error && `${error.message} [${error.code}]`];
      const rest = [words, tries, ...what].filter((text) => text !== undefined && text !== '');
      write(`${marks[stepState]} ${step}${rest.length === 0 ? '' : `  ${plainText(rest.join(', '))}`}\n`);
    },
    end: (closing) => {
      if (closing !== undefined) write(`${closing}\n`);
    },
  };
}

/** How far an operation is: `7/10`. */
export function stepsDone({ steps }: Operation): string {
  return `${steps.filter(({ state }) => state === 'done' || state === 'not_needed').length}/${steps.length}`;
}

/** Parts joined by spaces, broken where a line would be as wide as the terminal. */
function wrap(parts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    const joined = line === '' ? part : `${line} ${part}`;
    if (line !== '' && visibleWidth(joined) >= columns) {
      lines.push(line);
      line = part;
    } else line = joined;
  }
  return [...lines, line];
}

function visibleWidth(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences that paint() writes
  return widthOf(text.replace(/\u001b\[\d+m/g, ''));
}
