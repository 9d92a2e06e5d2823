// What the lab says when it cannot do something.

/** The message is for people: what, why, and what to do. */
export class LabError extends Error {
  override readonly name = 'LabError';
}
