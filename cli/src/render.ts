// Turns values into lines for people: aligned tables, ages, durations, colours.

/** Widths of what terminals draw over two columns (Unicode East Asian Width: W and F), as ranges of code points. */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
];
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** How many columns a terminal gives `text`, which has no control characters. */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  const point = grapheme.codePointAt(0) ?? 0;
  if (/^[\p{M}\p{Cf}]/u.test(grapheme)) return 0;
  const wide =
    /^\p{Emoji_Presentation}/u.test(grapheme) ||
    grapheme.includes('\ufe0f') ||
    wideRanges.some(([from, to]) => point >= from && point <= to);
  return wide ? 2 : 1;
}

/** `text` as a terminal may see it: what could move its cursor, colour it or turn its direction is replaced. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** Cut to `columns`, with `…` where something is missing. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += graphemeWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  readonly right?: boolean;
  /** May be cut to this width where the line is longer than the terminal. */
  readonly elastic?: number;
  /** Is left out where the line is longer than the terminal all the same. */
  readonly optional?: boolean;
  readonly style?: (text: string, row: T) => string;
}

const gap = '  ';

/**
 * Rows under their titles, aligned by what a terminal draws. Where the terminal is too narrow, optional columns are left
 * out, the last first, until the others fit; then elastic columns are cut, the last first.
 */
export function table<T>(all: readonly Column<T>[], rows: readonly T[], dim: (text: string) => string, columnsMax?: number): string {
  const room = columnsMax ?? Number.POSITIVE_INFINITY;
  let columns = all.map((column) => {
    const texts = rows.map((row) => plainText(column.value(row)));
    const width = Math.max(widthOf(column.title), ...texts.map(widthOf));
    return { ...column, texts, width, leastWidth: Math.min(width, column.elastic ?? width) };
  });
  while (lineWidth(columns.map(({ leastWidth }) => leastWidth)) > room) {
    const last = columns.findLastIndex(({ optional }) => optional === true);
    if (last === -1) break;
    columns = columns.toSpliced(last, 1);
  }
  let excess = lineWidth(columns.map(({ width }) => width)) - room;
  const widths = columns
    .toReversed()
    .map(({ width, leastWidth }) => {
      const taken = Math.max(0, Math.min(excess, width - leastWidth));
      excess -= taken;
      return width - taken;
    })
    .toReversed();
  const line = (texts: readonly string[], style: (text: string, i: number) => string): string =>
    columns
      .map((column, i) => {
        const text = cut(texts[i] ?? '', widths[i] ?? 0);
        const space = ' '.repeat((widths[i] ?? 0) - widthOf(text));
        const last = i === columns.length - 1;
        return column.right ? space + style(text, i) : style(text, i) + (last ? '' : space);
      })
      .join(gap)
      .trimEnd();
  const head = line(
    columns.map(({ title }) => title),
    (text) => dim(text),
  );
  const body = rows.map((row, r) =>
    line(
      columns.map(({ texts }) => texts[r] ?? ''),
      (text, i) => columns[i]?.style?.(text, row) ?? text,
    ),
  );
  return `${[head, ...body].join('\n')}\n`;
}

const lineWidth = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1));

/** `name  value` lines, values aligned; what is undefined is left out. */
export function facts(lines: readonly (readonly [string, string | undefined])[], dim: (text: string) => string): string {
  const present = lines.filter((line): line is readonly [string, string] => line[1] !== undefined);
  const width = Math.max(...present.map(([name]) => widthOf(name)));
  return present.map(([name, value]) => `${dim(name)}${' '.repeat(width - widthOf(name))}${gap}${plainText(value)}\n`).join('');
}

/** How long ago: `12s`, `5m`, `3h`, `2d`. */
export function ageOf(time: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** How long until then: `in 6d`; `now` where it is past. */
export function untilOf(time: string, now: Date): string {
  return Date.parse(time) <= now.getTime() ? 'now' : `in ${ageOf(now.toISOString(), new Date(time))}`;
}

/** `12 ms`, `0.4 s`, `75 s`, `3h`; empty where one end is not known. */
export function tookOf(startedAt: string | undefined, endedAt: string | undefined): string {
  if (startedAt === undefined || endedAt === undefined) return '';
  const ms = Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
  if (ms < 100) return `${ms} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 600_000 ? `${Math.round(ms / 1000)} s` : ageOf(startedAt, new Date(endedAt));
}

/** `1 MiB`, `512 KiB`, `1000 bytes`: the largest unit that says it exactly. */
export function sizeOf(bytes: number): string {
  if (bytes >= 2 ** 20 && bytes % 2 ** 20 === 0) return `${bytes / 2 ** 20} MiB`;
  if (bytes >= 2 ** 10 && bytes % 2 ** 10 === 0) return `${bytes / 2 ** 10} KiB`;
  return `${bytes} bytes`;
}

/** `999 bytes`, `4.3 KB`, `120 MB`: decimal units, two digits or three. */
export function roughSizeOf(bytes: number): string {
  const units = ['KB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 'bytes';
  for (const larger of units) {
    if (size < 999.5) break;
    size /= 1_000;
    unit = larger;
  }
  return `${size < 9.95 && unit !== 'bytes' ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

/** Functions that colour text where colours are wanted, and leave it as it is elsewhere. */
export function paint(wanted: boolean) {
  const style = (open: number, close: number) => (text: string) =>
    wanted && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), red: style(31, 39), green: style(32, 39), yellow: style(33, 39) };
}
