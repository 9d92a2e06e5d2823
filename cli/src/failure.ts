// What a command fails with, how that is told, and the exit code that goes with it.

import type { Problem } from '@burgage/api';
import { BurgageError, type ErrorCode, type ErrorDetails, isBurgageError } from '@burgage/contracts/errors';
import { paint, plainText } from './render.ts';
import type { Terminal } from './terminal.ts';

/** The exit codes, in the words of the help text and of docs/cli.md. */
export const exitCodes = {
  ok: { code: 0, meaning: 'done' },
  unexpected: { code: 1, meaning: 'something unexpected; report it, with the request id where one is shown' },
  usage: { code: 2, meaning: 'a command, option or value is not valid' },
  notFound: { code: 3, meaning: 'there is no such thing' },
  refused: { code: 4, meaning: 'refused: it conflicts with what is there' },
  notAllowed: { code: 5, meaning: 'no valid token, or not allowed' },
  unavailable: { code: 6, meaning: 'not running, or not reachable; try again later' },
  operationFailed: { code: 7, meaning: 'the operation that was waited for failed, was cancelled or needs attention' },
  interrupted: { code: 130, meaning: 'interrupted with Ctrl-C; an operation goes on' },
} as const satisfies Record<string, { code: number; meaning: string }>;

/** A problem as the API gives it; what went wrong before the API was reached has no request id and no page of its own. */
export type ToldProblem = Omit<Problem, 'requestId' | 'help'> & Partial<Pick<Problem, 'requestId' | 'help'>>;

/** A command failed: with a problem of the API, or with one of its own from the same catalogue. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly problem: ToldProblem;
  readonly exitCode: number;

  constructor(problem: ToldProblem, exitCode: number = exitCodeOf(problem.status)) {
    super(problem.detail);
    this.problem = problem;
    this.exitCode = exitCode;
  }
}

/** A failure of the catalogue that the command found itself. `advice` replaces the catalogue's where a better one is known. */
export function failure(
  code: ErrorCode,
  details: ErrorDetails & { readonly advice?: string; readonly exitCode?: number } = {},
): CommandFailure {
  const error = new BurgageError(code, details);
  return new CommandFailure(
    {
      type: `urn:burgage:error:${code}`,
      title: error.definition.sentence,
      status: error.definition.http,
      detail: error.message,
      code,
      advice: details.advice ?? (code === 'internal' ? 'Report it, with the command that you gave.' : error.definition.advice),
      ...(error.fields.length === 0 ? {} : { fields: [...error.fields] }),
    },
    details.exitCode,
  );
}

/** By the HTTP status, so that codes which only a newer server knows have their exit code too. */
function exitCodeOf(status: number): number {
  if ([401, 403].includes(status)) return exitCodes.notAllowed.code;
  if ([404, 410].includes(status)) return exitCodes.notFound.code;
  if ([402, 409, 412, 421].includes(status)) return exitCodes.refused.code;
  if ([429, 499, 502, 503, 504].includes(status)) return exitCodes.unavailable.code;
  if (status >= 400 && status < 500) return exitCodes.usage.code;
  return exitCodes.unexpected.code;
}

/** Whatever was thrown, as a failure; what nobody foresaw keeps its own message. */
export function asFailure(thrown: unknown): CommandFailure {
  if (thrown instanceof CommandFailure) return thrown;
  if (isBurgageError(thrown)) return failure(thrown.code, { message: thrown.message, fields: thrown.fields });
  return failure('internal', {
    message: `Something unexpected happened in the command itself: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
  });
}

/** Where nobody can say whether a change was made, the advice is to repeat the command under its key. */
export function repeatable(thrown: unknown, key: string): unknown {
  const unsure: readonly number[] = [exitCodes.unavailable.code, exitCodes.unexpected.code];
  if (!(thrown instanceof CommandFailure) || thrown.problem.code === 'not_running' || !unsure.includes(thrown.exitCode)) return thrown;
  const advice = `${thrown.problem.advice} Repeat the command with --idempotency-key ${key}: then nothing is made twice.`;
  return new CommandFailure({ ...thrown.problem, advice }, thrown.exitCode);
}

/** Tells it on standard error: what happened and its code, why, each field, what to do. As JSON it is the problem itself. */
export function tell({ problem }: CommandFailure, terminal: Terminal, asJson: boolean): void {
  if (asJson) {
    terminal.err(`${JSON.stringify(problem, null, 2)}\n`);
    return;
  }
  const { bold, dim, red } = paint(terminal.errColor);
  const fields = problem.fields ?? [];
  const lines = [`${red('error:')} ${bold(plainText(problem.title))} ${dim(`[${plainText(problem.code)}]`)}`];
  if (fields.length > 0) lines.push(...fields.map(({ field, description }) => `  ${plainText(field)}: ${plainText(description)}`));
  else if (problem.detail !== problem.title) lines.push(`  ${plainText(problem.detail)}`);
  lines.push(`  ${dim('what to do:')} ${plainText(problem.advice)}`);
  if (problem.requestId !== undefined) lines.push(`  ${dim(`request ${plainText(problem.requestId)}`)}`);
  terminal.err(`${lines.join('\n')}\n`);
}
