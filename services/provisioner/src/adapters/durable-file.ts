// Files that are whole or not there, and still there after a power cut.
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BurgageError } from '@burgage/contracts';

/** What the kernel says where there is no room for more. */
const noRoomCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The code of a failed system call. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** `disk_full` in place of what the kernel says where there is no room; any other error as it is. */
export function roomError(file: string, error: unknown): unknown {
  if (!noRoomCodes.has(codeOf(error))) return error;
  return new BurgageError('disk_full', { message: `There is no room left on the disk for ${file}.`, metadata: { file }, cause: error });
}

/** Makes what was renamed, made or removed in `folder` last. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a writer that was killed leaves beside `file`; the next one writes over it. */
export function partOf(file: string): string {
  return `${file}.part`;
}

/**
 * The file has `content`, mode 600, when it resolves; before, what it had. For one writer at a time.
 * @throws BurgageError `disk_full`.
 */
export async function writeDurably(file: string, content: string): Promise<void> {
  const part = partOf(file);
  try {
    const handle = await open(part, 'w', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw roomError(file, error);
  }
  await syncFolder(dirname(file));
}
