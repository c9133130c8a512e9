import { abortError, throwIfAborted } from '../lib/abort.ts';

/**
 * One intent at a time inside the storage of one module, from its first use until its writes are in the batch of
 * its receipt. So what an intent read is still true when it writes, no increment is lost, and nothing has to be
 * run twice, which code that also talks to a model or a webhook could not bear. Modules do not wait for each other,
 * and an intent uses only its own module's storage, so there is no deadlock.
 */
export class StorageLocks {
  /** Per module: who waits, in order; present while somebody holds it. Bounded by the intents that run. */
  readonly #queues = new Map<string, Set<() => void>>();

  /** Resolves with the release, which may be called more than once. Rejects when `signal` aborts first. */
  async acquire(module: string, signal: AbortSignal): Promise<() => void> {
    throwIfAborted(signal);
    const queue = this.#queues.get(module);
    if (queue === undefined) this.#queues.set(module, new Set());
    else await this.#turn(queue, signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#pass(module);
    };
  }

  #turn(queue: Set<() => void>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        queue.delete(take);
        reject(abortError(signal));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      queue.add(take);
    });
  }

  #pass(module: string): void {
    const queue = this.#queues.get(module);
    const next = queue?.values().next().value;
    if (queue === undefined || next === undefined) {
      this.#queues.delete(module);
      return;
    }
    queue.delete(next);
    next();
  }
}
