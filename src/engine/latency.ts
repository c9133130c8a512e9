import { keyspace } from '../store/keyspaces.ts';
import type { Database } from '../store/types.ts';

const averages = keyspace<number>('latencies');

/** Weight of the newest sample: the last ten or so count. */
const WEIGHT = 0.2;

/** Seconds that each capability really takes on this node, as a moving average kept over restarts. */
export class LatencyTracker {
  readonly #db: Database;
  /** By capability id, so bounded by what is installed; undefined is remembered as well. */
  readonly #averages = new Map<string, number | undefined>();
  readonly #changed = new Set<string>();

  constructor(components: { db: Database }) {
    this.#db = components.db;
  }

  record(capabilityId: string, seconds: number): void {
    const average = this.average(capabilityId);
    const next = average === undefined ? seconds : average + WEIGHT * (seconds - average);
    this.#averages.set(capabilityId, next);
    this.#changed.add(capabilityId);
  }

  /** Undefined until something ran. */
  average(capabilityId: string): number | undefined {
    if (!this.#averages.has(capabilityId)) {
      this.#averages.set(capabilityId, this.#db.get(averages, capabilityId));
    }
    return this.#averages.get(capabilityId);
  }

  /** Losing the newest averages in a crash costs a few worse estimates, so they are not written with each receipt. */
  async save(): Promise<void> {
    if (this.#changed.size === 0) return;
    const tx = this.#db.transaction();
    for (const id of this.#changed) tx.put(averages, id, this.#averages.get(id) ?? 0);
    this.#changed.clear();
    await tx.commit();
  }
}
