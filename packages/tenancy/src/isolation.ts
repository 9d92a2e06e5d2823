// Isolation: how far apart from the others a tenant lives.

/**
 * `pool`: shared app, shared database, rows kept apart by tenant id · `bridge`: shared app, own database · `silo`: own
 * processes, own database.
 */
export const isolations = ['pool', 'bridge', 'silo'] as const;

export type Isolation = (typeof isolations)[number];

export function isIsolation(text: string): text is Isolation {
  return (isolations as readonly string[]).includes(text);
}
