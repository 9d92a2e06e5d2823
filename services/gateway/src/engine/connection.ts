// What an engine does with any connection of a client, whatever is spoken on it.
import type { Exchange } from '../domain/exchange.ts';
import type { Member } from './members.ts';

export interface Connection extends Member {
  /** Nothing is under way. */
  readonly idle: boolean;
  /** The exchange of an open tunnel. */
  readonly tunnelled: Exchange | undefined;
  /** When it is closed unless its client asks for something; infinite while something is under way. */
  readonly expiresMs: number;
  /** Says goodbye where nothing has been begun, or where what has been begun can go on all the same. */
  closeIfIdle(): void;
  /** Moves a client that would stay to the process that takes new connections, where that costs it no request. Called now and then. */
  handOver(): void;
  /** Ends whatever is under way, but for an answer that is on its way out. */
  leave(): void;
  /** Ends whatever is under way, at once. */
  cut(): void;
  /** Called now and then. */
  check(nowMs: number): void;
}
