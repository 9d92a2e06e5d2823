// What the Connection fields of one head say (RFC 9110 section 7.6.1).
import { isWord } from './bytes.ts';
import { type Fields, fieldIds } from './fields.ts';

/** Of one head after the other: `reset`, then `read` where there are any. */
export class ConnectionOptions {
  close = false;
  keepAlive = false;
  upgrade = false;
  /** The names, lower case, of further fields that go no further than this connection; none in nearly all heads. */
  names: Set<string> | undefined;

  reset(): void {
    this.close = false;
    this.keepAlive = false;
    this.upgrade = false;
    this.names = undefined;
  }

  read(fields: Fields): void {
    for (let i = 0; i < fields.count; i++) if (fields.id(i) === fieldIds.connection) this.#readLine(fields, i);
  }

  /** Hot path: clients and servers say one word or nothing. */
  #readLine(fields: Fields, index: number): void {
    const start = fields.valueStart(index);
    const end = fields.valueEnd(index);
    if (isWord(fields.bytes, start, end, 'keep-alive')) this.keepAlive = true;
    else if (isWord(fields.bytes, start, end, 'close')) this.#close(fields);
    else if (isWord(fields.bytes, start, end, 'upgrade')) this.upgrade = true;
    else this.#readList(fields, index);
  }

  #readList(fields: Fields, index: number): void {
    for (const item of fields.valueAt(index).split(',')) {
      const option = item.trim().toLowerCase();
      if (option === 'close') this.#close(fields);
      else if (option === 'keep-alive') this.keepAlive = true;
      else if (option === 'upgrade') this.upgrade = true;
      else if (option !== '') this.#take(option);
    }
  }

  #close(fields: Fields): void {
    this.close = true;
    // As any option, it takes a field of that name along.
    if (fields.has(fieldIds.close)) this.#take('close');
  }

  #take(name: string): void {
    // It tells where the body ends, and everybody has to know that (RFC 9110 section 7.6.1).
    if (name === 'content-length') return;
    this.names ??= new Set();
    this.names.add(name);
  }
}
