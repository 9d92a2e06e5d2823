// The order of a journal's epochs: services tell each other epochs, and which of two is the later one has to be known to both.

/** `<number>.<random>`; 15 digits are a whole number in every language. */
const epochForm = /^(\d{1,15})\.[A-Za-z0-9_-]+$/;

/** The place of an epoch among all of its journal, from 1; 0 for a text that is none, which so is before every epoch. */
export function epochNumber(epoch: string): number {
  return Number(epochForm.exec(epoch)?.[1] ?? 0);
}
