// The numbers of HTTP/2: kinds of frames, flags, settings, and reasons to end a stream or a connection (RFC 9113).

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = {
  endStream: 0x01,
  /** Of SETTINGS and PING. */
  ack: 0x01,
  endHeaders: 0x04,
  padded: 0x08,
  priority: 0x20,
} as const;

export const errorCodes = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes];

export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Type, flags, length and stream of every frame. */
export const frameHeadBytes = 9;
/** What every peer takes, and the most that we take and send: a record of TLS has no more. */
export const framePayloadMax = 16_384;
/** Of a table of HPACK, and of a window, until somebody says otherwise. */
export const tableBytesAtFirst = 4_096;
export const windowAtFirst = 65_535;
export const windowMax = 2 ** 31 - 1;

/** Why a connection cannot go on. */
export interface ConnectionFault {
  readonly code: ErrorCode;
  readonly detail: string;
}
