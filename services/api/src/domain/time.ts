// Translates protobuf times into what JSON carries.
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';

/** RFC 3339 in UTC with milliseconds; undefined stays undefined. */
export function isoTime(timestamp: Timestamp | undefined): string | undefined {
  return timestamp === undefined ? undefined : timestampDate(timestamp).toISOString();
}
