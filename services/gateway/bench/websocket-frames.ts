// The one message of the WebSocket measurements, as either side sends it (RFC 6455, section 5.2): ready bytes, nothing to parse.

const payload = Buffer.alloc(64, 'a message of 64 bytes ');
const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const finalText = 0x81;

export const clientFrame: Buffer = Buffer.concat([
  Buffer.from([finalText, 0x80 | payload.length]),
  mask,
  payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)),
]);

export const serverFrame: Buffer = Buffer.concat([Buffer.from([finalText, payload.length]), payload]);
