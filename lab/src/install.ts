// Puts a product into the cache: once, whole or not at all, and safe when several processes want it at the same moment.
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Clock, systemClock } from '@burgage/runtime';
import { cacheFolder, folderOf, isInstalled } from './cache.ts';
import { runCommand } from './command.ts';
import { LabError } from './errors.ts';
import { lock } from './lock.ts';
import { whyNot } from './machine.ts';
import type { Build } from './product.ts';

export interface InstallOptions {
  /** Told what is going on, a line at a time. */
  readonly say?: (line: string) => void;
  readonly clock?: Clock;
}

/** What a program on the terminal, and a test, shows of an installation. */
export function sayOnStderr(line: string): void {
  process.stderr.write(`lab: ${line}\n`);
}

/**
 * Makes `build` be in the cache and answers with its folder. Where another process is at it, waits for that one.
 * @throws LabError when this machine cannot have it, or when a program of the installation fails.
 */
export async function install(build: Build, { say = sayOnStderr, clock = systemClock }: InstallOptions = {}): Promise<string> {
  const folder = folderOf(build);
  if (isInstalled(build)) return folder;
  const title = `${build.name} ${build.version}`;
  const reason = whyNot(build);
  if (reason !== undefined) throw new LabError(`${title} cannot be installed here: it needs ${reason}`);
  using _ = await lock(join(cacheFolder(), 'locks', `${build.name}-${build.version}`), clock, (holder) =>
    say(`waiting for ${holder === undefined ? 'another process' : `process ${holder}`}, which installs ${title}`),
  );
  if (isInstalled(build)) return folder;
  // What is left of them belongs to nobody: whoever made them held the lock.
  const unfinished = `${folder}.unfinished`;
  const scratch = `${folder}.scratch`;
  const logFile = `${folder}.log`;
  const removeLeftovers = async () => {
    for (const leftover of [unfinished, scratch]) await rm(leftover, { recursive: true, force: true });
  };
  await removeLeftovers();
  await rm(logFile, { force: true });
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(unfinished);
  await mkdir(scratch);
  const startMs = clock.monotonicMs();
  say(`installing ${title} (usually ${build.usuallySeconds} s) …`);
  try {
    await build.install(unfinished, { scratch, run: (command, args, options) => runCommand(command, args, { ...options, logFile }) });
    await rename(unfinished, folder);
  } catch (error) {
    throw new LabError(`${title} could not be installed; ${logFile} has all output. ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  } finally {
    await removeLeftovers();
  }
  say(`installed ${title} in ${((clock.monotonicMs() - startMs) / 1_000).toFixed(0)} s`);
  return folder;
}
