// SQLite's and the file system's failures in the words of app-kit's problems.
import { ProblemError } from './problem.ts';

/** Extended result codes. */
const constraintCodes = { foreignKey: 787, primaryKey: 1555, unique: 2067 } as const;
const primaryCodeMask = 0xff;
const fullCode = 13;
const constraintCode = 19;

const resultCodeOf = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined;

/** Whether rows do not fit the schema: a constraint of any kind. */
export function isConstraintFailure(error: unknown): boolean {
  return ((resultCodeOf(error) ?? 0) & primaryCodeMask) === constraintCode;
}

/** Runs `work`; constraint failures and a full disk come as problems, everything else as it is. */
export function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = resultCodeOf(error);
    if (code === constraintCodes.primaryKey || code === constraintCodes.unique) throw new ProblemError('already_exists', { cause: error });
    if (code === constraintCodes.foreignKey)
      throw new ProblemError('invalid_argument', {
        message: 'A row that this one refers to does not exist, or another row refers to this one.',
        cause: error,
      });
    const noRoom = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
    if (noRoom || ((code ?? 0) & primaryCodeMask) === fullCode) throw new ProblemError('disk_full', { cause: error });
    throw error;
  }
}
