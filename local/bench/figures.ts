// A figure with its target, and the table that shows them.

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The target, where there is one: not less than, or not more than. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export function judge({ value, atLeast, atMost }: Figure): 'met' | 'missed' | '' {
  if (atLeast === undefined && atMost === undefined) return '';
  return value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY) ? 'met' : 'missed';
}

/** The value at or below which `share` of the values lie; nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { what, value, unit, atLeast, atMost } = figure;
    const targets = [...(atLeast === undefined ? [] : [`≥ ${shown(atLeast)}`]), ...(atMost === undefined ? [] : [`≤ ${shown(atMost)}`])];
    return [what, `${shown(value)} ${unit}`, targets.join(', '), judge(figure)];
  });
  const all = [['what', 'measured', 'target', ''], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
