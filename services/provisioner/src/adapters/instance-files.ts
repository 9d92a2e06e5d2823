// What the compute driver and the supervisor of one machine tell each other: two small files an instance in one folder.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { z } from 'zod';
import { codeOf } from './durable-file.ts';

const instanceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,90}-silo$/, 'expected lower-case letters, digits, _ and -, with -silo at the end');
const port = z.int().min(1).max(65_535);

const wantedInstance = z.object({
  /** Also its upstream and the folder of its data. */
  name: instanceName,
  tenantId: z.string().min(1),
  upstream: z.string().min(1),
  /** On loopback. Kept from others as long as this file is there. */
  port,
  /** It is not to run, and has no data any more. */
  stopped: z.literal(true).optional(),
  /** The token of the attempt that wrote it. */
  fence: z.int().min(0),
  /** Another one at every change: the status repeats the one that it is about. */
  order: z.string().min(1),
});

const instanceReport = z.object({
  name: instanceName,
  /** Of the wanted instance that has been carried out. */
  order: z.string().min(1),
  state: z.enum(['starting', 'running', 'backing_off', 'stopped']),
  pid: z.int().optional(),
  port,
  /** How often it was started again since it last ran well. */
  restarts: z.int().min(0),
  /** When it came into this state, ISO 8601. */
  since: z.string(),
  /** How it ended last, in words, with the last that it said. */
  lastExit: z.string().optional(),
  /** When this was written. */
  at: z.string(),
});

/** What is to run: `<name>.json`, written by the driver. */
export type WantedInstance = z.infer<typeof wantedInstance>;
/** What runs: `<name>.status.json`, written by the supervisor. */
export type InstanceReport = z.infer<typeof instanceReport>;

const statusEnd = '.status.json';
const wantedEnd = '.json';

export function isInstanceName(name: string): boolean {
  return instanceName.safeParse(name).success;
}

export function wantedFile(folder: string, name: string): string {
  return join(folder, `${name}${wantedEnd}`);
}

export function reportFile(folder: string, name: string): string {
  return join(folder, `${name}${statusEnd}`);
}

/** The log of an instance and the one before it: newest first. */
export function instanceLogs(folder: string, name: string): readonly [string, string] {
  const file = join(folder, `${name}.log`);
  return [file, `${file}.1`];
}

/** The name of the instance that a file of the folder says is wanted; undefined for every other file. */
export function wantedNameOf(fileName: string): string | undefined {
  return fileName.endsWith(wantedEnd) && !fileName.endsWith(statusEnd) ? fileName.slice(0, -wantedEnd.length) : undefined;
}

/** As `wantedNameOf`, of reports. */
export function reportedNameOf(fileName: string): string | undefined {
  return fileName.endsWith(statusEnd) ? fileName.slice(0, -statusEnd.length) : undefined;
}

/** Undefined where there is no such file. @throws BurgageError `data_corrupt` where it says something else. */
export async function readWanted(folder: string, name: string): Promise<WantedInstance | undefined> {
  const file = wantedFile(folder, name);
  const found = await read(file, wantedInstance);
  if (found === undefined || found.name === name) return found;
  throw new BurgageError('data_corrupt', { message: `${file}: name: got ${found.name}, expected ${name}`, metadata: { file } });
}

/** Undefined where there is none that can be read: the supervisor writes another. */
export async function readReport(folder: string, name: string): Promise<InstanceReport | undefined> {
  try {
    return await read(reportFile(folder, name), instanceReport);
  } catch {
    return undefined;
  }
}

/** Every instance that is wanted or keeps its port; files that say something else are left out. */
export async function wantedInstances(folder: string): Promise<readonly WantedInstance[]> {
  const names = (await namesIn(folder)).flatMap((fileName) => wantedNameOf(fileName) ?? []);
  const found = await Promise.allSettled(names.map((name) => readWanted(folder, name)));
  return found.flatMap((outcome) => (outcome.status === 'fulfilled' && outcome.value !== undefined ? [outcome.value] : []));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function read<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BurgageError('data_corrupt', {
      message: `${file}: got ${JSON.stringify(text.slice(0, 40))}, expected JSON`,
      metadata: { file },
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BurgageError('data_corrupt', { message: `${file}: ${issue?.path.join('.')}: ${issue?.message}`, metadata: { file } });
}
