// A simulated process: everything that it asks of the world can fail, come late, or be the last that it does.
import { BurgageError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { Documents, Store } from '@burgage/store';

/**
 * What can happen to one question:
 * - `crash_before`, `crash_after`: the process ends before it, or after its effect and before its answer
 * - `lost_answer`: the effect happens, and no answer comes
 * - `late_effect`: no answer comes, and the effect happens long after whoever asked has given up
 * - `transient`, `permanent`: refused, with an error that may pass or that will not
 * - `pause_before`, `pause_after`: the process stands still, longer than its lease, and then goes on where it was
 */
export const faults = [
  'crash_before',
  'crash_after',
  'lost_answer',
  'late_effect',
  'transient',
  'permanent',
  'pause_before',
  'pause_after',
] as const;
export type Fault = (typeof faults)[number];

/** Decides what happens to a question; `name` says what it is: `store.replace`, `compute.ensure`. */
export type Fate = (name: string) => Fault | undefined;

const lateMs = 45_000;
const storeAnswerMs = 25_000;

/** Never resolves: what a process that is gone waits for. */
const never = (): Promise<never> => new Promise(() => undefined);

export class SimulatedProcess {
  readonly name: string;
  readonly #clock: Clock;
  readonly #fate: Fate;
  #resumed: PromiseWithResolvers<void> | undefined;
  #late = 0;
  isDead = false;

  constructor(name: string, clock: Clock, fate: Fate) {
    this.name = name;
    this.#clock = clock;
    this.#fate = fate;
  }

  get isPaused(): boolean {
    return this.#resumed !== undefined;
  }

  /** Effects of it that nobody waits for any more will still happen. */
  get isLate(): boolean {
    return this.#late > 0;
  }

  resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  /** Asks the world for something: `effect` is all or nothing. */
  async ask<T>(name: string, effect: () => Promise<T> | T): Promise<T> {
    await this.#alive();
    switch (this.#fate(name)) {
      case 'crash_before':
        return this.#die();
      case 'pause_before':
        await this.#pause();
        return await effect();
      case 'transient':
        throw new BurgageError('unavailable', { message: `${name} is simulated to be away.` });
      case 'permanent':
        // A store has no error that is for good and for one write alone.
        throw new BurgageError(name.startsWith('store.') ? 'unavailable' : 'app_refused', { message: `${name} is simulated to refuse.` });
      case 'late_effect':
        this.#late += 1;
        void this.#clock
          .sleep(lateMs)
          .then(effect)
          .catch(() => undefined)
          .finally(() => {
            this.#late -= 1;
          });
        return await this.#noAnswer(name);
      case 'crash_after':
        await effect();
        return this.#die();
      case 'lost_answer':
        await effect();
        return await this.#noAnswer(name);
      case 'pause_after': {
        const answer = await effect();
        await this.#pause();
        return answer;
      }
      default: {
        const answer = await effect();
        await this.#alive();
        return answer;
      }
    }
  }

  /** A store whose questions this process asks. What a store is asked is answered in the end, or the process is gone. */
  store(real: Store): Store {
    const documents = <T>(given: Documents<T>): Documents<T> => ({
      get: (...args) => this.ask('store.get', () => given.get(...args)),
      findByKey: (...args) => this.ask('store.findByKey', () => given.findByKey(...args)),
      insert: (...args) => this.ask('store.insert', () => given.insert(...args)),
      replace: (...args) => this.ask('store.replace', () => given.replace(...args)),
      remove: (...args) => this.ask('store.remove', () => given.remove(...args)),
      list: (...args) => this.ask('store.list', () => given.list(...args)),
      pendingOutbox: (...args) => this.ask('store.pendingOutbox', () => given.pendingOutbox(...args)),
      pullOutbox: (...args) => this.ask('store.pullOutbox', () => given.pullOutbox(...args)),
      upgradeStored: (...args) => given.upgradeStored(...args),
    });
    return {
      documents: (type) => documents(real.documents(type)),
      journal: (name) => real.journal(name),
      ping: () => real.ping(),
      close: () => real.close(),
    };
  }

  /** Whoever asks a driver gives up by himself; a store gives up for whoever asks it. */
  async #noAnswer(name: string): Promise<never> {
    if (!name.startsWith('store.')) return await never();
    await this.#clock.sleep(storeAnswerMs);
    throw new BurgageError('unavailable', { message: `${name} is simulated to give no answer.` });
  }

  #die(): Promise<never> {
    this.isDead = true;
    return never();
  }

  async #pause(): Promise<void> {
    this.#resumed ??= Promise.withResolvers<void>();
    await this.#resumed.promise;
  }

  async #alive(): Promise<void> {
    if (this.isDead) await never();
    if (this.#resumed) await this.#resumed.promise;
  }
}
