// What the client has set for its connection (RFC 9113 section 6.5.2).
import { type ConnectionFault, errorCodes, framePayloadMax, settingIds, tableBytesAtFirst, windowAtFirst, windowMax } from './codes.ts';

const settingBytes = 6;
const framePayloadBound = 2 ** 24 - 1;

export class ClientSettings {
  /** Of its table for the heads of answers. */
  tableBytes: number = tableBytesAtFirst;
  /** Of a stream, for answers. */
  initialWindow: number = windowAtFirst;

  /** Takes the payload of a frame. Answers with what is wrong with it, if something is. */
  read(bytes: Buffer, start: number, end: number): ConnectionFault | undefined {
    for (let at = start; at < end; at += settingBytes) {
      const value = bytes.readUInt32BE(at + 2);
      switch (bytes.readUInt16BE(at)) {
        case settingIds.headerTableSize:
          this.tableBytes = value;
          break;
        case settingIds.enablePush:
          if (value > 1) return fault('ENABLE_PUSH', value);
          break;
        case settingIds.initialWindowSize:
          if (value > windowMax) return { ...fault('INITIAL_WINDOW_SIZE', value), code: errorCodes.flowControlError };
          this.initialWindow = value;
          break;
        case settingIds.maxFrameSize:
          if (value < framePayloadMax || value > framePayloadBound) return fault('MAX_FRAME_SIZE', value);
          break;
        default:
        // The others bound what we never do, or are not known.
      }
    }
    return undefined;
  }
}

function fault(name: string, value: number): ConnectionFault {
  return { code: errorCodes.protocolError, detail: `${name} was set to ${value}` };
}
