import { LRUCache } from 'lru-cache';

/** Cancels of unknown capsules that are remembered; the oldest go first. */
const REMEMBERED = 4_096;

/** Cancels that came before their order, so that the order finds them. */
export class Cancels {
  readonly #epochs = new LRUCache<string, number>({ max: REMEMBERED });

  remember(from: string, capsuleId: string, epoch: number): void {
    const key = `${from}:${capsuleId}`;
    this.#epochs.set(key, Math.max(epoch, this.#epochs.get(key) ?? 0));
  }

  remembers(from: string, capsuleId: string, epoch: number): boolean {
    return epoch <= (this.#epochs.get(`${from}:${capsuleId}`) ?? -1);
  }
}
