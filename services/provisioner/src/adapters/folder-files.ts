// Tenants' files: one folder a tenant.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import type { Files } from '../domain/ports.ts';
import { codeOf, roomError } from './durable-file.ts';
import type { Fences } from './fences.ts';

const tenantId = /^[A-Za-z0-9_]+$/;

export function createFolderFiles(folder: string, fences: Fences): Files {
  const folderOf = (id: string): string => {
    if (!tenantId.test(id)) throw new BurgageError('internal', { cause: new Error(`${id} cannot name a folder`) });
    return join(folder, id);
  };
  return {
    async ensure(id, fence) {
      const own = folderOf(id);
      try {
        await fences.under(id, fence, () => mkdir(own, { recursive: true, mode: 0o700 }));
      } catch (error) {
        throw roomError(own, error);
      }
      return { needed: true, detail: 'a folder of its own' };
    },
    async remove(id, fence) {
      const own = folderOf(id);
      await fences.under(id, fence, () => rm(own, { recursive: true, force: true }));
    },
    async list() {
      try {
        const entries = await readdir(folder, { withFileTypes: true });
        return entries.filter((entry) => entry.isDirectory() && tenantId.test(entry.name)).map(({ name }) => name);
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return [];
        throw error;
      }
    },
  };
}
