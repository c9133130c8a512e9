import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { CapsuleStore, PruneOptions } from '../store/types.ts';

/** Capsules of strangers are kept for an hour only, so this is well below it; the clock for ages is stored with each turn. */
const PRUNE_INTERVAL_MS = 600_000;

type Prunes = Pick<CapsuleStore, 'prune'>;

/** Removes ended capsules beyond age, number and bytes, every ten minutes; receipts and ledger stay. */
export class Pruning implements Startable {
  readonly #capsules: Prunes;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: PruneOptions;
  #started = false;
  #cancel: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  constructor(
    { capsules, clock, log }: { capsules: Prunes; clock: Clock; log: Logger },
    options: PruneOptions,
  ) {
    this.#capsules = capsules;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#started = true;
    this.#schedule();
  }

  /** Resolves when no turn runs any more. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#cancel();
    await this.#running;
  }

  #schedule(): void {
    if (!this.#started) return;
    this.#cancel = this.#clock.after(PRUNE_INTERVAL_MS, () => {
      this.#running = this.#prune();
    });
  }

  async #prune(): Promise<void> {
    try {
      const removed = await this.#capsules.prune(this.#options);
      if (removed > 0) this.#log.info({ removed }, 'Pruned ended capsules');
    } catch (error) {
      this.#log.error({ err: error }, 'Pruning failed');
    }
    this.#schedule();
  }
}
