// How an archive is kept: compressed, then encrypted in chunks of which none can be changed, moved, swapped or left out.
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { pipeline } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';

/*
 * magic (8 bytes) · salt (32 bytes) · chunks
 *
 * A chunk is 65,536 bytes of gzip under AES-256-GCM, then its tag of 16 bytes; the last one is shorter, maybe empty. The
 * key is made for one file, from the archive key, the salt and the name (HKDF-SHA256), so a nonce never meets its key
 * again: the number of the chunk, and 1 for the last or 0 (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
 * Vizár, 2015).
 */
const magic = Buffer.from('burgarc1', 'latin1');
const chunkBytes = 65_536;
const tagBytes = 16;
const sealedBytes = chunkBytes + tagBytes;

export const archiveKeyBytes = 32;
export const saltBytes = 32;

/** An archive that is not, byte for byte, what was written under this name and key. */
export class ArchiveDamage extends Error {
  override readonly name = 'ArchiveDamage';
}

function fileKey(key: Uint8Array, salt: Uint8Array, name: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, `burgage archive 1 ${name}`, 32));
}

function nonceOf(index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(index));
  nonce.writeUInt8(isLast ? 1 : 0, 11);
  return nonce;
}

/** The bytes of the file. `salt` is random, and never the same twice. */
export async function* sealed(
  source: AsyncIterable<Uint8Array>,
  { key, salt, name }: { readonly key: Uint8Array; readonly salt: Uint8Array; readonly name: string },
): AsyncGenerator<Uint8Array> {
  const own = fileKey(key, salt, name);
  yield Buffer.concat([magic, salt]);
  let index = 0;
  const seal = (plain: Uint8Array, isLast: boolean): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', own, nonceOf(index++, isLast));
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  };
  const cutter = new Cutter(chunkBytes);
  for await (const bytes of through(source, createGzip())) for (const plain of cutter.push(bytes)) yield seal(plain, false);
  yield seal(cutter.rest(), true);
}

/** What was sealed. Bytes come as they are found whole: what came is worth nothing until the end has. @throws ArchiveDamage. */
export async function* opened(
  file: AsyncIterable<Uint8Array>,
  { key, name }: { readonly key: Uint8Array; readonly name: string },
): AsyncGenerator<Uint8Array> {
  yield* through(decrypted(file, key, name), createGunzip());
}

async function* decrypted(file: AsyncIterable<Uint8Array>, key: Uint8Array, name: string): AsyncGenerator<Uint8Array> {
  const headBytes = magic.length + saltBytes;
  let head = Buffer.alloc(0);
  let own: Buffer | undefined;
  let index = 0;
  const open = (chunk: Buffer, isLast: boolean): Buffer => {
    const nonce = nonceOf(index++, isLast);
    if (own === undefined || chunk.length < tagBytes) throw new ArchiveDamage('it ends too early');
    const decipher = createDecipheriv('aes-256-gcm', own, nonce, { authTagLength: tagBytes });
    decipher.setAuthTag(chunk.subarray(-tagBytes));
    const plain = decipher.update(chunk.subarray(0, -tagBytes));
    try {
      decipher.final();
    } catch {
      throw new ArchiveDamage(`chunk ${index} is not what was written there`);
    }
    return plain;
  };
  const cutter = new Cutter(sealedBytes);
  for await (const bytes of file) {
    let rest = bytes;
    if (own === undefined) {
      head = Buffer.concat([head, bytes]);
      if (head.length < headBytes) continue;
      if (!head.subarray(0, magic.length).equals(magic)) throw new ArchiveDamage('it does not begin as an archive');
      own = fileKey(key, head.subarray(magic.length, headBytes), name);
      rest = head.subarray(headBytes);
    }
    for (const chunk of cutter.push(rest)) yield open(chunk, false);
  }
  yield open(cutter.rest(), true);
}

/** Cuts bytes that come in any pieces into pieces of one size. */
class Cutter {
  readonly #size: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(size: number) {
    this.#size = size;
  }

  *push(bytes: Uint8Array): Generator<Buffer> {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes < this.#size) return;
    const all = Buffer.concat(this.#held);
    let from = 0;
    for (; all.length - from >= this.#size; from += this.#size) yield all.subarray(from, from + this.#size);
    this.#held = [all.subarray(from)];
    this.#heldBytes = all.length - from;
  }

  /** What is left, less than one piece. */
  rest(): Buffer {
    return Buffer.concat(this.#held);
  }
}

/** What a transform makes of the source; an error of either is thrown as it is, and both end when nobody reads on. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  transform: ReturnType<typeof createGzip> | ReturnType<typeof createGunzip>,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  pipeline(source, transform, (error) => {
    failure = error;
  });
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure ?? error;
  } finally {
    transform.destroy();
  }
}
