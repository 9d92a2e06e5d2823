// A folder that only this user may enter, made where it is missing.
import { mkdir } from 'node:fs/promises';
import { BurgageError } from '@burgage/contracts';

/** Answers with `path`. @throws BurgageError `config_invalid` that names the flag it comes from. */
export async function privateFolder(flag: string, path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  } catch (cause) {
    throw new BurgageError('config_invalid', {
      message: `--${flag}: got the folder ${path}, which cannot be made (${(cause as NodeJS.ErrnoException).code}), expected one that can.`,
      cause,
    });
  }
}
