// Which faults a run has: all of them, or those that the command line names.
import { BurgageError } from '@burgage/contracts';
import { nearest } from '@burgage/runtime';
import { type Fault, faults } from './faults.ts';

const list = faults.map(({ name }) => `  "${name}"\n`).join('');

export const usage = `A mesh under load, and one fault after the other: what each cost.

npm run test:faults                      all faults
npm run test:faults -- "FAULT" …         these

Faults
${list}
Leaves with 0 where nothing was lost, refused or late, with 1 where something was, with 2 for a fault that there is not.
`;

/** In their own order. @throws BurgageError `command_invalid` with what was most likely meant, or all that there is. */
export function chosenFaults(names: readonly string[]): readonly Fault[] {
  const known = faults.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint = meant === undefined ? `expected some of\n${list.trimEnd()}` : `did you mean "${meant}"?`;
    throw new BurgageError('command_invalid', { message: `${name}: is no ${name.startsWith('-') ? 'option' : 'fault'}; ${hint}` });
  }
  return names.length === 0 ? faults : faults.filter(({ name }) => names.includes(name));
}
