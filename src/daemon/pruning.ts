import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { CapsuleStore, PruneOptions } from '../store/types.ts';

const PRUNE_INTERVAL_MS = 3_600_000;

/** Removes ended capsules beyond age and count, every hour; receipts and ledger stay. */
export class Pruning implements Startable {
  readonly #capsules: CapsuleStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: PruneOptions;
  #cancel: () => void = () => {};

  constructor(
    { capsules, clock, log }: { capsules: CapsuleStore; clock: Clock; log: Logger },
    options: PruneOptions,
  ) {
    this.#capsules = capsules;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#cancel = this.#clock.after(PRUNE_INTERVAL_MS, this.#prune);
  }

  async stop(): Promise<void> {
    this.#cancel();
  }

  readonly #prune = (): void => {
    this.#capsules
      .prune(this.#options)
      .then((removed) => removed > 0 && this.#log.info({ removed }, 'Pruned ended capsules'))
      .catch((error: unknown) => this.#log.error({ error }, 'Pruning failed'))
      .finally(() => void this.start());
  };
}
