// What each fault cost, as a table.

export interface Row {
  readonly fault: string;
  readonly sent: number;
  readonly failed: number;
  readonly brokenOff: number;
  readonly asked: number;
  /** Acknowledged, the one that showed that all was well again included. */
  readonly started: number;
  readonly ended: number;
  readonly greenMs: number;
  /** What should not have been. */
  readonly complaints: readonly string[];
}

const head = ['fault', 'requests', 'failed', 'broken off', 'sign-ups asked', 'operations started', 'ended as they may', 'green after', ''];

/** Numbers to the right; the fault, and what is to be said of it, to the left. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.fault,
    String(row.sent),
    String(row.failed),
    String(row.brokenOff),
    String(row.asked),
    String(row.started),
    String(row.ended),
    `${(row.greenMs / 1_000).toFixed(1)} s`,
    row.complaints.length === 0 ? 'ok' : `FAILED: ${row.complaints.join('; ')}`,
  ]);
  const all = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 || column === head.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
