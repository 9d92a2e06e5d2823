// Where a path stands in the text of a YAML document, and which path stands at a place of the text.
import { isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';

/** Keys and list positions from the root of a document. */
export type Path = readonly (string | number)[];

/**
 * The offset of the key or the value at `path`, from 0. A mapping or list below a key is where its key is; for what is
 * not there, it is the innermost thing around it.
 */
export function offsetOf(root: Node | null, path: Path, part: 'key' | 'value'): number {
  let node: unknown = root;
  let offset = startOf(root) ?? 0;
  for (const [i, segment] of path.entries()) {
    const pair = pairOf(node, segment);
    const inner = pair ? pair.value : isSeq(node) ? node.items[Number(segment)] : undefined;
    if (!pair && inner === undefined) break;
    const isWanted = i === path.length - 1 && part === 'value' && isWritten(inner);
    offset = (isWanted ? startOf(inner) : startOf(pair?.key)) ?? startOf(inner) ?? offset;
    node = inner;
  }
  return offset;
}

/** The path of the innermost key or list item that covers `offset`; empty where none does. */
export function pathAt(root: unknown, offset: number): Path {
  if (isMap(root)) {
    const pair = root.items.find(({ key, value }) => covers(key, offset) || covers(value, offset));
    return pair && isScalar(pair.key) ? [String(pair.key.value), ...pathAt(pair.value, offset)] : [];
  }
  if (isSeq(root)) {
    const index = root.items.findIndex((item) => covers(item, offset));
    return index < 0 ? [] : [index, ...pathAt(root.items[index], offset)];
  }
  return [];
}

/** False for the nothing behind `key:`, whose own place is somewhere after it. */
function isWritten(node: unknown): boolean {
  return isScalar(node) && (node.type !== 'PLAIN' || node.source !== '');
}

function pairOf(node: unknown, key: string | number): Pair | undefined {
  return isMap(node) ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key)) : undefined;
}

function covers(node: unknown, offset: number): boolean {
  const range = rangeOf(node);
  return range !== undefined && range[0] <= offset && offset < Math.max(range[1], range[0] + 1);
}

function startOf(node: unknown): number | undefined {
  return rangeOf(node)?.[0];
}

/** A parsed node knows its place; the parser's types say so of the document's root only. */
function rangeOf(node: unknown): readonly [number, number, number] | undefined {
  return (node as Node | null | undefined)?.range ?? undefined;
}
