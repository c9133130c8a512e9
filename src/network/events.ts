import type { Logger } from 'pino';
import type { NetworkEvents } from './types.ts';

type Listeners = { [E in keyof NetworkEvents]: Set<(...args: NetworkEvents[E]) => void> };

/** Typed listeners; one that throws is logged, and neither the others nor the network notice. */
export class NetworkEmitter {
  readonly #log: Logger;
  readonly #listeners: Listeners = {
    'peer:connect': new Set(),
    'peer:disconnect': new Set(),
    'peer:measured': new Set(),
    'session:shown': new Set(),
    'self:met': new Set(),
  };

  constructor(log: Logger) {
    this.#log = log;
  }

  on<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void {
    this.#listeners[event].add(listener);
  }

  off<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void {
    this.#listeners[event].delete(listener);
  }

  emit<E extends keyof NetworkEvents>(event: E, ...args: NetworkEvents[E]): void {
    for (const listener of [...this.#listeners[event]]) {
      try {
        listener(...args);
      } catch (error) {
        this.#log.error({ err: error, event }, 'A listener of the network failed');
      }
    }
  }
}
