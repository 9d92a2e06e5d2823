// Waiting that ends when the call does, and writing no faster than the other side reads.
import type { Writable } from 'node:stream';

/** Settles as `promise` does, or rejects with the reason of `cut` as soon as it is aborted. Leaves nothing behind on `cut`. */
export function untilCut<T>(promise: Promise<T>, cut: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onCut = () => reject(cut.reason);
    if (cut.aborted) {
      promise.catch(() => {});
      onCut();
      return;
    }
    cut.addEventListener('abort', onCut, { once: true });
    promise.then(resolve, reject).finally(() => cut.removeEventListener('abort', onCut));
  });
}

/**
 * Messages that may be on their way into the connection at once. With one, producer and reader would take turns; with
 * very many, the producer would make them all before the connection carries the first.
 */
const aheadMax = 4;

/**
 * Writes each item of `items` as bytes, and takes the next one only when the stream has room for it: a reader that
 * stalls stalls the producer. Closes `items` on every way out. Answers whether all was written; not where the stream
 * failed or was closed, which says why to whoever holds it. @throws what `items` throws; the reason of `cut`.
 */
export async function writeAll<T>(
  stream: Writable,
  items: AsyncIterable<T>,
  toBytes: (item: T) => Buffer,
  cut: AbortSignal,
): Promise<boolean> {
  const iterator = items[Symbol.asyncIterator]();
  const broken = new AbortController();
  const onBroken = () => broken.abort();
  const over = AbortSignal.any([cut, broken.signal]);
  let done = false;
  let ahead = 0;
  let onRoom = () => {};
  const written = (error?: Error | null) => {
    if (error) onBroken();
    ahead -= 1;
    onRoom();
  };
  stream.once('error', onBroken).once('close', onBroken);
  try {
    for (;;) {
      const next = await untilCut(iterator.next(), over);
      if (next.done === true) {
        done = true;
        return true;
      }
      ahead += 1;
      stream.write(toBytes(next.value), written);
      if (ahead >= aheadMax) await untilCut(new Promise<void>((resolve) => (onRoom = resolve)), over);
    }
  } catch (error) {
    if (broken.signal.aborted && error === broken.signal.reason) return false;
    throw error;
  } finally {
    stream.off('error', onBroken).off('close', onBroken);
    // Not awaited: a producer that waits for something else closes when that comes.
    if (!done) iterator.return?.().catch(() => {});
  }
}
