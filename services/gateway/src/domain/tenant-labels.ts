// Which tenants get a metric label of their own: the busiest few, so that the number of series stays bounded.

/** What all others share. */
export const otherTenants = 'other';

/**
 * Space-saving counts (Metwally et al., 2005) over `candidatesMax` tenants say who is busy; the first `labelsMax` of them at
 * each roll have a label until the next.
 */
export class TenantLabels {
  readonly #labelsMax: number;
  readonly #candidatesMax: number;
  #counts = new Map<string, number>();
  #labelled = new Set<string>();

  constructor(labelsMax = 50) {
    this.#labelsMax = labelsMax;
    this.#candidatesMax = labelsMax * 4;
  }

  /** Hot path. Counts one request and gives the label to record it under. */
  label(tenantId: string): string {
    const count = this.#counts.get(tenantId);
    if (count !== undefined) this.#counts.set(tenantId, count + 1);
    else if (this.#counts.size < this.#candidatesMax) this.#counts.set(tenantId, 1);
    else this.#replaceLightest(tenantId);
    if (this.#labelled.has(tenantId)) return tenantId;
    if (this.#labelled.size >= this.#labelsMax) return otherTenants;
    this.#labelled.add(tenantId);
    return tenantId;
  }

  /** Gives the labels to those who are busiest now and halves what was counted; says which labels ended. */
  roll(): string[] {
    // A tenant that has a label keeps it unless another is clearly busier: series that come and go are worth nothing.
    const weight = ([tenantId, count]: [string, number]) => count * (this.#labelled.has(tenantId) ? 1.5 : 1);
    const busiest = [...this.#counts].sort((a, b) => weight(b) - weight(a)).slice(0, this.#labelsMax);
    const next = new Set(busiest.map(([tenantId]) => tenantId));
    const ended = [...this.#labelled].filter((tenantId) => !next.has(tenantId));
    this.#labelled = next;
    this.#counts = new Map(
      [...this.#counts].map(([tenantId, count]): [string, number] => [tenantId, count / 2]).filter(([, count]) => count >= 0.5),
    );
    return ended;
  }

  #replaceLightest(tenantId: string): void {
    let lightest: string | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [candidate, count] of this.#counts) {
      if (count < least) {
        lightest = candidate;
        least = count;
      }
    }
    if (lightest !== undefined) this.#counts.delete(lightest);
    this.#counts.set(tenantId, least + 1);
  }
}
