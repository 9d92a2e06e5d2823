// The data folder of one machine: its layout, its format, its lock, its backup and its restore.
export { type BackupOptions, backUp, type Progress } from './backup.ts';
export type { Backup, BackupFile, BackupFolder } from './container.ts';
export { checkFormat, dataFormatVersion, type Engines } from './format.ts';
export { type FolderLock, takeLock } from './lock.ts';
export { type DataPaths, dataPaths, type RuntimeFile } from './paths.ts';
export { type Restored, type RestoreOptions, restore, verifyBackup } from './restore.ts';
