// The databases that belong to one tenant each: a file by the tenant's id, opened when it is needed and closed when others are needed more.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isTenantId } from './claims.ts';
import { openTenantFile, type SchemaOptions, type TenantFile } from './tenant-file.ts';

export interface OwnFiles {
  /** The tenant's file, when there is one. Good until the next call for another tenant: ask again instead of keeping it. */
  get(tenantId: string): TenantFile | undefined;
  /** The same, made when missing. */
  create(tenantId: string): TenantFile;
  /** Runs `work` on the tenant's file without closing another tenant's for it. */
  look<T>(tenantId: string, work: (file: TenantFile) => T): T | undefined;
  /** Puts the file at `path`, closed, durable and on the same disk, in the place of the tenant's: at once, whatever it holds. */
  replace(tenantId: string, path: string): void;
  /** Deletes the file. False when there was none. */
  remove(tenantId: string): boolean;
  /** Whose files there are, by id. */
  tenantIds(): string[];
  close(): void;
}

export interface OwnFilesOptions extends SchemaOptions {
  readonly folder: string;
  readonly openMax: number;
  readonly now: () => Date;
}

const suffix = '.sqlite';
const logEnds = ['-wal', '-shm'];

/** A tenant's id is a file's name: isTenantId admits no separator and no leading dot. */
export function openOwnFiles({ folder, openMax, now, ...schema }: OwnFilesOptions): OwnFiles {
  /** The file that was used longest ago is the first. */
  const open = new Map<string, TenantFile>();

  function pathOf(tenantId: string): string {
    if (!isTenantId(tenantId)) throw new TypeError(`${JSON.stringify(tenantId)} is not a tenant id`);
    return join(folder, tenantId + suffix);
  }

  function openFile(tenantId: string): TenantFile {
    const path = pathOf(tenantId);
    const file = openTenantFile(path, schema, now().getTime());
    // Where file names are the same without regard to case, two ids can lead to one file.
    if (file.query('SELECT 1 FROM burgage_tenants WHERE tenant_id <> ?', tenantId).length > 0) {
      file.close();
      throw new Error(`${path} belongs to another tenant than ${tenantId}`);
    }
    return file;
  }

  function opened(tenantId: string): TenantFile {
    const file = openFile(tenantId);
    open.set(tenantId, file);
    for (const [id, candidate] of open) {
      if (open.size <= openMax) break;
      // One in a transaction stays: this call comes from within it.
      if (candidate === file || candidate.inTransaction) continue;
      open.delete(id);
      candidate.close();
    }
    return file;
  }

  function known(tenantId: string): TenantFile | undefined {
    const file = open.get(tenantId);
    if (!file) return undefined;
    open.delete(tenantId);
    open.set(tenantId, file);
    return file;
  }

  function get(tenantId: string): TenantFile | undefined {
    return known(tenantId) ?? (existsSync(pathOf(tenantId)) ? opened(tenantId) : undefined);
  }

  /** The log first: beside a new file of the same name, an old one would be taken for its own. */
  function deleteFiles(path: string): void {
    for (const end of [...logEnds, '']) rmSync(path + end, { force: true });
    persist(folder);
  }

  return {
    get,
    create(tenantId) {
      const present = get(tenantId);
      if (present) return present;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      deleteFiles(pathOf(tenantId));
      const file = opened(tenantId);
      persist(folder);
      return file;
    },
    look(tenantId, work) {
      const file = open.get(tenantId);
      if (file) return work(file);
      if (!existsSync(pathOf(tenantId))) return undefined;
      const visited = openFile(tenantId);
      try {
        return work(visited);
      } finally {
        visited.close();
      }
    },
    replace(tenantId, replacement) {
      const path = pathOf(tenantId);
      // The last one to close a file writes its log into it: the old rows are whole until the new name is there.
      open.get(tenantId)?.close();
      open.delete(tenantId);
      for (const end of logEnds) rmSync(path + end, { force: true });
      renameSync(replacement, path);
      persist(folder);
    },
    remove(tenantId) {
      const path = pathOf(tenantId);
      const existed = existsSync(path);
      open.get(tenantId)?.close();
      open.delete(tenantId);
      if (existsSync(folder)) deleteFiles(path);
      return existed;
    },
    tenantIds: () =>
      (existsSync(folder) ? readdirSync(folder) : [])
        .filter((name) => name.endsWith(suffix))
        .map((name) => name.slice(0, -suffix.length))
        .filter(isTenantId)
        .sort(),
    close() {
      for (const file of open.values()) file.close();
      open.clear();
    },
  };
}

/**
 * Makes names that came or went survive a loss of power. Node's permission model has no fsync: there SQLite does it for a name that came,
 * with the first commit of the file, and one that went may be back.
 */
function persist(folder: string): void {
  if (process.permission !== undefined) return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
