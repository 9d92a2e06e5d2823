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
 * Writes each item of `items` as bytes, and takes the next one only when the stream has room for it: a reader that
 * stalls stalls the producer. Closes `items` on every way out. @throws what `items` throws; the reason of `cut`.
 */
export async function writeAll<T>(
  stream: Writable,
  items: AsyncIterable<T>,
  toBytes: (item: T) => Buffer,
  cut: AbortSignal,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let done = false;
  try {
    for (;;) {
      const next = await untilCut(iterator.next(), cut);
      if (next.done === true) {
        done = true;
        return;
      }
      if (!stream.write(toBytes(next.value))) await untilCut(drained(stream), cut);
    }
  } finally {
    // Not awaited: a producer that waits for something else closes when that comes.
    if (!done) iterator.return?.().catch(() => {});
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => stream.once('drain', resolve));
}
