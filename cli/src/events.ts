// Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) from a body.

export interface ServerEvent {
  readonly event: string;
  /** The last id that the stream has named; empty before the first. */
  readonly id: string;
  readonly data: string;
}

/** The events in `body`, in order. Comments are skipped; an event that was cut off is not given out. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let id = '';
  let event = '';
  let data: string[] = [];
  for await (const line of readLines(body)) {
    if (line === '') {
      if (data.length > 0) yield { event: event || 'message', id, data: data.join('\n') };
      event = '';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
  }
}

/** The largest line that is read: far more than any event of the API. */
const lineCharactersMax = 1024 * 1024;

async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    if (rest.length > lineCharactersMax) throw new RangeError('the stream of events has a line that is too long');
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
