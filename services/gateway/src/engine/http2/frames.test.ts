// Frames: read strictly however they come in pieces, and written so that they can be read.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame, preface, types } from '../../testing/frame-client.ts';
import { errorCodes, flags, framePayloadMax, frameTypes } from './codes.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';

const limits = { blockBytesMax: 1_000, continuationsMax: 4 };

/** What is found in the pieces, as text: data of one frame as one. */
function found(pieces: readonly Buffer[], reader = new FrameReader(limits)): string[] {
  const steps: string[] = [];
  let data: string | undefined;
  for (const piece of pieces) {
    reader.give(piece);
    for (let step = reader.next(); step !== 'incomplete'; step = reader.next()) {
      if (step === 'refused') return [...steps, `refused with ${reader.code}`];
      const payload = reader.bytes.toString('hex', reader.start, reader.end);
      if (step === 'frame') {
        steps.push(`${reader.type} ${reader.flags & ~flags.padded} ${reader.streamId} ${payload}`);
        continue;
      }
      data ??= `data ${reader.flags & flags.endStream} ${reader.streamId} ${reader.windowBytes} ${reader.paddingBytes} `;
      data += payload;
      if (!reader.isLast) continue;
      steps.push(data);
      data = undefined;
    }
  }
  return steps;
}

const settings = '4 0 0 ';
const padded = (padding: number, payload: string): Buffer =>
  Buffer.concat([Buffer.from([padding]), Buffer.from(payload), Buffer.alloc(padding)]);
const hex = (text: string): string => Buffer.from(text).toString('hex');

describe('frames', () => {
  it('are found with their payload, without padding and priority', () => {
    const bytes = Buffer.concat([
      preface,
      frame(types.headers, flags.endHeaders | flags.padded | flags.priority, 1, padded(3, '\0\0\0\0\x10abc')),
      frame(types.data, flags.padded, 1, padded(2, 'de')),
      frame(types.data, flags.endStream, 1),
      frame(0xfa, 0, 7, Buffer.from('unknown')),
      frame(types.headers, flags.endStream, 3, Buffer.from('fg')),
      frame(types.continuation, 0, 3, Buffer.from('hi')),
      frame(types.continuation, flags.endHeaders, 3),
    ]);
    expect(found([bytes])).toEqual([
      settings,
      `1 36 1 ${hex('abc')}`,
      `data 0 1 5 3 ${hex('de')}`,
      'data 1 1 0 0 ',
      `250 0 7 ${hex('unknown')}`,
      `1 1 3 ${hex('fghi')}`,
    ]);
  });

  it('are the same however their bytes are split', () => {
    const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    const anyFrame = fc
      .tuple(fc.oneof(fc.constantFrom(...Object.values(types)), fc.nat(255)), fc.nat(0x2d), fc.nat(4), payload)
      .map(([type, flagBits, stream, bytes]) => frame(type, flagBits, stream, bytes));
    const fine = fc.oneof(
      fc.tuple(fc.nat(1), payload).map(([end, bytes]) => frame(types.data, end, 1, bytes)),
      fc.nat(20).map((padding) => frame(types.data, flags.padded, 1, padded(padding, 'text'))),
      payload.map((bytes) => frame(types.headers, flags.endHeaders, 1, bytes)),
      payload.map((bytes) =>
        Buffer.concat([frame(types.headers, 0, 3, bytes), frame(types.continuation, flags.endHeaders, 3, Buffer.from('end'))]),
      ),
    );
    const frames = fc.array(fc.oneof({ weight: 9, arbitrary: fine }, { weight: 1, arbitrary: anyFrame }), { maxLength: 12 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(60), { maxLength: 40 }), (all, cuts) => {
        const bytes = Buffer.concat([preface, ...all]);
        const pieces: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          pieces.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        pieces.push(bytes.subarray(at));
        expect(found(pieces)).toEqual(found([bytes]));
        expect(found(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(found([bytes]));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each<[string, Buffer, number]>([
    ['of data without a stream', frame(types.data, 0, 0), errorCodes.protocolError],
    ['of settings with a stream', frame(types.settings, 0, 1), errorCodes.protocolError],
    ['of a ping with a stream', frame(types.ping, 0, 1, Buffer.alloc(8)), errorCodes.protocolError],
    ['that are too large', frame(types.data, 0, 1, Buffer.alloc(framePayloadMax + 1)), errorCodes.frameSizeError],
    ['of a ping that is too short', frame(types.ping, 0, 0, Buffer.alloc(7)), errorCodes.frameSizeError],
    ['of half a setting', frame(types.settings, 0, 0, Buffer.alloc(7)), errorCodes.frameSizeError],
    ['of settings that are taken, with some', frame(types.settings, flags.ack, 0, Buffer.alloc(6)), errorCodes.frameSizeError],
    ['of a reset without a reason', frame(types.reset, 0, 1, Buffer.alloc(3)), errorCodes.frameSizeError],
    ['of a window without a size', frame(frameTypes.windowUpdate, 0, 1, Buffer.alloc(5)), errorCodes.frameSizeError],
    ['of a priority that is too long', frame(types.priority, 0, 1, Buffer.alloc(6)), errorCodes.frameSizeError],
    ['of a priority of itself', frame(types.priority, 0, 1, Buffer.from([0, 0, 0, 1, 0])), errorCodes.protocolError],
    ['of a goodbye without a stream', frame(types.goAway, 0, 0, Buffer.alloc(7)), errorCodes.frameSizeError],
    ['that push', frame(frameTypes.pushPromise, 0, 1, Buffer.alloc(4)), errorCodes.protocolError],
    ['of data with more padding than there is', frame(types.data, flags.padded, 1, Buffer.from([1])), errorCodes.protocolError],
    ['of a head with more padding than there is', frame(types.headers, flags.padded, 1, Buffer.from([5, 0])), errorCodes.protocolError],
    ['of a head with half a priority', frame(types.headers, flags.priority, 1, Buffer.alloc(4)), errorCodes.frameSizeError],
    ['that continue nothing', frame(types.continuation, 0, 1), errorCodes.protocolError],
  ])('%s are refused', (_, bytes, code) => {
    expect(found([Buffer.concat([preface, bytes])])).toEqual([settings, `refused with ${code}`]);
  });

  it('of a head have nothing between them, and are neither too many nor too large', () => {
    const begun = Buffer.concat([preface, frame(types.headers, 0, 1)]);
    const refused = (code: number) => [settings, `refused with ${code}`];
    expect(found([begun, frame(types.ping, 0, 0, Buffer.alloc(8))])).toEqual(refused(errorCodes.protocolError));
    expect(found([begun, frame(types.continuation, 0, 3)])).toEqual(refused(errorCodes.protocolError));
    const empty = Array.from({ length: 5 }, () => frame(types.continuation, 0, 1));
    expect(found([begun, ...empty])).toEqual(refused(errorCodes.enhanceYourCalm));
    expect(found([begun, frame(types.continuation, 0, 1, Buffer.alloc(1_001))])).toEqual(refused(errorCodes.enhanceYourCalm));
  });

  it('begin with the words of a client and its settings, or are none', () => {
    const [words, first] = [preface.subarray(0, 24), preface.subarray(24)];
    expect(found([Buffer.from('GET / HTTP/1.1\r\n')])).toEqual(['refused with 1']);
    expect(found([words, frame(types.ping, 0, 0, Buffer.alloc(8))])).toEqual(['refused with 1']);
    expect(found([words, frame(types.settings, flags.ack, 0)])).toEqual(['refused with 1']);
    expect(found([words, first])).toEqual([settings]);
  });
});

describe('frames that are written', () => {
  function read(writer: FrameWriter): string[] {
    return found([preface, writer.take()], new FrameReader({ blockBytesMax: 1_000_000, continuationsMax: 100 })).slice(1);
  }

  it('carry data of a stream in as few as there can be, the last of which ends it', () => {
    const writer = new FrameWriter();
    const body = Buffer.alloc(40_000, 'ab');
    writer.data(1, body, 0, 10);
    writer.data(1, body, 10, 30_000);
    writer.data(3, body, 0, 5);
    writer.data(1, body, 30_000, 40_000);
    writer.endStream(1);
    writer.endStream(3);
    const frames = read(writer);
    expect(frames.map((text) => text.split(' ').slice(0, 4).join(' '))).toEqual([
      'data 0 1 16384',
      'data 0 1 13616',
      'data 0 3 5',
      'data 1 1 10000',
      'data 1 3 0',
    ]);
    const whole = frames.filter((text) => text.split(' ')[2] === '1').map((text) => text.split(' ')[5]);
    expect(whole.join('')).toBe(body.toString('hex'));
  });

  it('carry a head of any size, and end the stream with it where nothing follows', () => {
    for (const bytes of [0, 100, framePayloadMax, framePayloadMax + 1, 3 * framePayloadMax + 5]) {
      const writer = new FrameWriter();
      const head = Buffer.alloc(bytes, 'head');
      writer.resetStream(5, errorCodes.noError);
      writer.begin(frameTypes.headers, flags.endHeaders, 1);
      writer.add(head, 0, bytes);
      writer.end();
      writer.endStream(1);
      const isOne = bytes <= framePayloadMax;
      expect(read(writer)).toEqual(['3 0 5 00000000', `1 ${isOne ? 5 : 1} 1 ${head.toString('hex')}`]);
    }
  });

  it('are nobody else’s once they are taken', () => {
    const [first, second] = [new FrameWriter(), new FrameWriter()];
    const [ones, twos] = [Buffer.alloc(100, 1), Buffer.alloc(100, 2)];
    first.data(1, ones, 0, 100);
    const taken = first.take();
    second.data(1, twos, 0, 100);
    second.take();
    expect(taken.subarray(9)).toEqual(ones);
    expect(first.length).toBe(0);
  });
});
