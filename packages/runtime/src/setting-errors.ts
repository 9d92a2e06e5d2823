// What is wrong with the value of a setting and shows only when it is used, said in the name of the setting.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Setting } from './settings.ts';

/** As errors name a setting when nobody knows any more which of the two was used: `--store (BURGAGE_STORE)`. */
export function settingName({ flag, env }: Pick<Setting, 'flag' | 'env'>): string {
  return env === undefined ? `--${flag}` : `--${flag} (${env})`;
}

/**
 * Does `work`, which uses the values of `settings`, by the names that it has for them: `{ url: storeSettings.store }`.
 * @throws what `work` throws. Where that refuses one of these values, or finds a port of them taken, its message and
 * fields name the setting, and `invalid_argument` becomes `config_invalid`: to the operator it is no argument.
 */
export async function inNameOf<T>(settings: Readonly<Record<string, Setting>>, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isBurgageError(error, 'invalid_argument', 'config_invalid', 'port_taken') ? renamed(error, settings) : error;
  }
}

function renamed(error: BurgageError, settings: Readonly<Record<string, Setting>>): BurgageError {
  const settingOf = (field: string): Setting | undefined => (Object.hasOwn(settings, field) ? settings[field] : undefined);
  if (!error.fields.some(({ field }) => settingOf(field) !== undefined)) return error;
  const fields = error.fields.map(({ field, description }) => {
    const setting = settingOf(field);
    return { field: setting === undefined ? field : settingName(setting), description };
  });
  return new BurgageError(error.code === 'invalid_argument' ? 'config_invalid' : error.code, {
    message: fields.map(({ field, description }) => `${field}: ${description}`).join('; '),
    fields,
    metadata: error.metadata,
    cause: error.cause,
  });
}
