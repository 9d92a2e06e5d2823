// The Huffman code of HPACK, read four bits at a time (RFC 7541 section 5.2 and appendix B).

/** Bits of the code of each byte; codes of one length follow each other as their bytes do, behind those of a shorter one. */
const codeBits: Uint8Array = Uint8Array.from(
  [
    '13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28',
    '6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10',
    '13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6',
    '15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28',
    '20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24',
    '22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23',
    '26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27',
    '20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26',
  ].flatMap((line) => line.split(' ').map(Number)),
);
/** The end of a string, which is never sent. */
const endOfString = 256;
const codeBitsMax = 30;
const symbols = 257;
/** Each symbol but the first makes one place at which the tree of the codes divides. */
const places = symbols - 1;

/** For each place in the tree and four bits that follow: the next place, and the byte that was completed, if one was. */
const nextPlaces = new Uint16Array(places * 16);
const nothing = -1;
const refused = -2;
const completed = new Int16Array(places * 16).fill(nothing);
/** Places at which a string may end: fewer than eight bits of ones after the last byte. */
const mayEnd = new Uint8Array(places);
build();

function build(): void {
  // Two ways from each place: another place, or a symbol, written as a number below 0.
  const tree: [number, number][] = [[0, 0]];
  let code = 0;
  for (let bits = 1; bits <= codeBitsMax; bits++) {
    for (let symbol = 0; symbol < symbols; symbol++) {
      if ((symbol === endOfString ? codeBitsMax : codeBits[symbol]) !== bits) continue;
      let place = 0;
      for (let bit = bits - 1; bit > 0; bit--) {
        const ways = tree[place] as [number, number];
        const way = (code >>> bit) & 1;
        if (ways[way] === 0) ways[way] = tree.push([0, 0]) - 1;
        place = ways[way] as number;
      }
      (tree[place] as [number, number])[code & 1] = -symbol - 1;
      code++;
    }
    code *= 2;
  }
  for (let place = 0; place < places; place++) {
    for (let four = 0; four < 16; four++) {
      let at = place;
      for (let bit = 3; bit >= 0; bit--) {
        const next = (tree[at] as [number, number])[(four >>> bit) & 1] as number;
        if (next < 0) completed[place * 16 + four] = -next - 1 === endOfString ? refused : -next - 1;
        at = Math.max(next, 0);
      }
      nextPlaces[place * 16 + four] = at;
    }
  }
  for (let place = 0, bits = 0; bits < 8; bits++) {
    mayEnd[place] = 1;
    place = (tree[place] as [number, number])[1] as number;
  }
}

/** At most so many bytes come of a string: no code is shorter than five bits. */
export function huffmanBytesMax(bytes: number): number {
  return Math.floor((bytes * 8) / 5);
}

/**
 * Hot path. Writes what the bytes from `start` to `end` stand for into `to` from `at` on, where there is room, and answers with
 * the place behind it; -1 where they are not of this code, or do not end as they should.
 */
export function readHuffman(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  let next = at;
  let place = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    const high = (place << 4) | (byte >>> 4);
    const first = completed[high] as number;
    if (first >= 0) to[next++] = first;
    else if (first === refused) return -1;
    const low = ((nextPlaces[high] as number) << 4) | (byte & 15);
    const second = completed[low] as number;
    if (second >= 0) to[next++] = second;
    else if (second === refused) return -1;
    place = nextPlaces[low] as number;
  }
  return mayEnd[place] === 1 ? next : -1;
}
