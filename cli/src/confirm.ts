// Asks before what cannot be taken back.
import { type CommandFailure, failure } from './failure.ts';
import { paint, plainText } from './render.ts';
import type { Session } from './session.ts';

/** True where the user types a yes. */
export async function askYes({ terminal }: Session, question: string): Promise<boolean> {
  return /^y(es)?$/i.test((await terminal.ask(`${question} [y/N] `))?.trim() ?? '');
}

/** Resolves once the user has typed `wanted`. @throws CommandFailure `confirmation_missing`. */
export async function askToType({ terminal }: Session, wanted: string): Promise<void> {
  const typed = (await terminal.ask(`Type ${paint(terminal.errColor).bold(plainText(wanted))} to go on: `))?.trim();
  if (typed === wanted) return;
  throw failure('confirmation_missing', {
    message: `${typed === undefined || typed === '' ? 'Nothing was typed' : `${JSON.stringify(typed)} is not ${wanted}`}: nothing was done.`,
    advice: `Repeat the command and type ${wanted}.`,
  });
}

/** What is missing where nobody can be asked. */
export function cannotAsk(flag: string, expected: string): CommandFailure {
  return failure('confirmation_missing', {
    fields: [{ field: flag, description: `is missing; without a terminal to ask on, expected ${expected}` }],
    advice: `Repeat the command with ${flag}.`,
  });
}
