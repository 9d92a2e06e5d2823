// Bounds what a request may send.
import { BurgageError } from '@burgage/contracts';
import { bodyLimit } from 'hono/body-limit';

/** The largest body of a request. */
const bodyBytesMax = 64 * 1024;

/** Refuses larger bodies, by their length where they say it, else as soon as they are longer. */
export const limitBody = bodyLimit({
  maxSize: bodyBytesMax,
  onError: () => {
    throw new BurgageError('body_too_large', { message: `The request body is larger than ${bodyBytesMax} bytes.` });
  },
});
