// Writing to a disk that may be full, and making sure that what was written stays.
import { type FileHandle, open } from 'node:fs/promises';
import { BurgageError } from '@burgage/contracts/errors';

/** The code of a failed system call. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** What the kernel says where there is no room for more. */
const noRoomCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Every byte. @throws BurgageError `disk_full`. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, file: string): Promise<void> {
  try {
    for (let from = 0; from < bytes.length; ) from += (await handle.write(bytes, from)).bytesWritten;
  } catch (error) {
    if (!noRoomCodes.has(codeOf(error))) throw error;
    throw new BurgageError('disk_full', { message: `There is no room left on the disk for ${file}.`, metadata: { file }, cause: error });
  }
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
