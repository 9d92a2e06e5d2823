// Settings of a process: declared once, read from flags and environment, shown without secrets.
import { BurgageError, type FieldViolation } from '@burgage/contracts';
import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { hasPassword, hidden, withoutPassword } from './url-password.ts';

/** One setting. The flag wins over the environment, the environment over the default. */
export interface Setting<S extends z.ZodType = z.ZodType> {
  /** Without the dashes: `data`. */
  readonly flag: string;
  /** `BURGAGE_DATA`; an empty variable counts as not set. */
  readonly env?: string;
  /** Reads the text. One that turns `true` into true makes a flag that needs no value. Missing is `undefined`: `.optional()` allows it. */
  readonly schema: S;
  /** As text, as if a person had written it. */
  readonly default?: string;
  /** One line for the help text. */
  readonly description: string;
  /**
   * Never shown, nor quoted in an error, nor taken from a flag: every user of the machine can read the flags of a
   * process. With `url` that goes for the password in an address; the rest of it is shown.
   */
  readonly secret?: true | 'url';
}

export type SettingsDefinition = Readonly<Record<string, Setting>>;
export type SettingsOf<D extends SettingsDefinition> = { readonly [K in keyof D]: z.output<D[K]['schema']> };

export interface SettingsSource {
  /** Default: what this process was started with. */
  readonly argv?: readonly string[];
  /** Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Gives the definition its type. */
export function defineSettings<const D extends SettingsDefinition>(definition: D): D {
  return definition;
}

/**
 * Reads every setting, or none: all problems come at once.
 * @throws BurgageError `config_invalid`; each field names the flag or variable, what came (unless secret) and what was expected.
 */
export function readSettings<D extends SettingsDefinition>(definition: D, source: SettingsSource = {}): SettingsOf<D> {
  const problems: FieldViolation[] = [];
  const flags = readFlags(definition, source.argv ?? process.argv.slice(2), problems);
  const env = source.env ?? process.env;
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(definition)) {
    const fromEnv = setting.env === undefined ? undefined : env[setting.env] || undefined;
    const flag = flags.get(setting.flag);
    if (flag !== undefined && isSecret(setting, flag)) {
      problems.push({ field: `--${setting.flag}`, description: secretOnCommandLine(setting) });
      continue;
    }
    const text = flag ?? fromEnv ?? setting.default;
    const parsed = setting.schema.safeParse(text);
    if (parsed.success) {
      values[name] = parsed.data;
      continue;
    }
    if (problems.some(({ field }) => field === `--${setting.flag}`)) continue;
    const field = flag === undefined && fromEnv !== undefined && setting.env !== undefined ? setting.env : `--${setting.flag}`;
    problems.push({ field, description: describeProblem(setting, text, parsed.error) });
  }
  if (problems.length > 0) {
    throw new BurgageError('config_invalid', {
      message: problems.map(({ field, description }) => `${field}: ${description}`).join('; '),
      fields: problems,
    });
  }
  // Every name of the definition was parsed by its own schema above.
  return values as SettingsOf<D>;
}

/** The values as they may be logged: secrets that are set show as dots. */
export function describeSettings<D extends SettingsDefinition>(definition: D, values: SettingsOf<D>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(definition).map(([name, setting]) => [name, shown(setting, values[name])]));
}

function shown(setting: Setting, value: unknown): unknown {
  if (setting.secret === undefined || value === undefined) return value;
  return setting.secret === 'url' && typeof value === 'string' ? withoutPassword(value) : hidden;
}

function isSecret({ secret }: Setting, text: string): boolean {
  return secret === 'url' ? hasPassword(text) : secret === true;
}

function secretOnCommandLine({ secret, env }: Setting): string {
  const what = secret === 'url' ? 'a password' : 'a secret';
  return `got ${what} on the command line, where every user of the machine can read it; expected it in ${env ?? 'a variable of the environment'}`;
}

/** The flags with their variables, defaults and descriptions, one a line. */
export function usageOf(definition: SettingsDefinition): string {
  const rows = Object.values(definition).map((setting) => {
    const notes = [
      setting.env === undefined ? undefined : `$${setting.env}`,
      setting.default === undefined ? undefined : `default ${shown(setting, setting.default)}`,
    ].filter((note) => note !== undefined);
    return {
      left: isSwitch(setting) ? `--${setting.flag}` : `--${setting.flag} VALUE`,
      right: notes.length === 0 ? setting.description : `${setting.description} (${notes.join(', ')})`,
    };
  });
  const width = Math.max(0, ...rows.map(({ left }) => left.length));
  return rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}

function readFlags(definition: SettingsDefinition, argv: readonly string[], problems: FieldViolation[]): Map<string, string> {
  const byFlag = new Map(Object.values(definition).map((setting) => [setting.flag, setting]));
  const given = new Map<string, string>();
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (!argument.startsWith('--')) {
      problems.push({ field: argument, description: 'is not a flag; expected --NAME VALUE' });
      continue;
    }
    const equals = argument.indexOf('=');
    const flag = argument.slice(2, equals === -1 ? undefined : equals);
    const setting = byFlag.get(flag);
    const next = argv[index + 1];
    const followedByValue = next !== undefined && !next.startsWith('--');
    if (setting === undefined) {
      const suggestion = nearest(flag, byFlag.keys());
      problems.push({
        field: `--${flag}`,
        description:
          suggestion === undefined
            ? `is not known; expected one of ${[...byFlag.keys()].map((known) => `--${known}`).join(', ')}`
            : `is not known; did you mean --${suggestion}?`,
      });
      if (equals === -1 && followedByValue) index++;
      continue;
    }
    if (given.has(flag)) problems.push({ field: `--${flag}`, description: 'is given twice; expected once' });
    if (equals !== -1) {
      given.set(flag, argument.slice(equals + 1));
    } else if (isSwitch(setting)) {
      given.set(flag, 'true');
    } else if (followedByValue) {
      given.set(flag, next);
      index++;
    } else {
      problems.push({ field: `--${flag}`, description: 'has no value; expected one after it' });
    }
  }
  return given;
}

function isSwitch(setting: Setting): boolean {
  const parsed = setting.schema.safeParse('true');
  return parsed.success && parsed.data === true;
}

function describeProblem(setting: Setting, text: string | undefined, error: z.ZodError): string {
  if (text === undefined) return `is missing; expected ${lowerFirst(setting.description)}`;
  const came = setting.secret === true ? 'the value' : JSON.stringify(shown(setting, text));
  return `${came} is not valid: ${error.issues.map((issue) => lowerFirst(issue.message)).join(', ')}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
