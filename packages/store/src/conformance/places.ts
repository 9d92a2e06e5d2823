// What the conformance suite needs from an adapter: places where stores are, and a way to open one from any process.
import type { Json, Store } from '../port.ts';

/**
 * What the adapter's module exports. The suite imports the module by its URL, and so does every process that the suite
 * starts; a place is what these processes tell each other.
 */
export interface StorePlaces {
  /** A new, empty place. */
  newPlace(): Promise<Json>;
  /** Opens the store at `place`; any number of processes may, at once. */
  openStore(place: Json): Promise<Store>;
  /** Takes the place away when every store there is closed. */
  removePlace(place: Json): Promise<void>;
}
