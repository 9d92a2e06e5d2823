// The names of the lab's products, as people type them.
import { BurgageError } from '@burgage/contracts';
import { nearest } from '@burgage/runtime';
import { type ServerName, servers, type ToolName, tools } from './catalogue.ts';

export const serverNames = Object.keys(servers).filter(isServerName);
export const toolNames = Object.keys(tools).filter(isToolName);

export function isServerName(name: string): name is ServerName {
  return Object.hasOwn(servers, name);
}

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(tools, name);
}

/** Each once. @throws BurgageError `command_invalid` with the name that was most likely meant. */
export function readServerNames(words: readonly string[]): readonly ServerName[] {
  return [...new Set(words.map((word) => (isServerName(word) ? word : notKnown(word, serverNames, 'server'))))];
}

/** Each once. @throws BurgageError `command_invalid` with the name that was most likely meant. */
export function readNames(words: readonly string[]): readonly (ServerName | ToolName)[] {
  const known = [...serverNames, ...toolNames];
  return [...new Set(words.map((word) => (isServerName(word) || isToolName(word) ? word : notKnown(word, known, 'product'))))];
}

function notKnown(word: string, known: readonly string[], what: string): never {
  const meant = nearest(word, known);
  const hint = meant === undefined ? `expected ${known.join(', ')}` : `did you mean ${meant}?`;
  const message = isToolName(word) ? `${word}: is a program to run, not a server; ${hint}` : `${word}: is no ${what} of the lab; ${hint}`;
  throw new BurgageError('command_invalid', { message });
}
