import { LRUCache } from 'lru-cache';

/** Peers, and cancels of unknown capsules of each, that are remembered; the oldest go first. */
const PEERS = 256;
const REMEMBERED_PER_PEER = 512;

/**
 * Leases that a peer was told are not taken any more, since it cancelled them or asked after them before their order
 * came. In memory: an order that was on its way to a node that ended is lost with its connection.
 */
export class Cancels {
  /** The newest epoch by capsule id, by peer: one that sends many pushes out its own only. */
  readonly #peers = new LRUCache<string, LRUCache<string, number>>({ max: PEERS });

  remember(from: string, capsuleId: string, epoch: number): void {
    const epochs = this.#peers.get(from) ?? new LRUCache<string, number>({ max: REMEMBERED_PER_PEER });
    this.#peers.set(from, epochs);
    epochs.set(capsuleId, Math.max(epoch, epochs.get(capsuleId) ?? 0));
  }

  remembers(from: string, capsuleId: string, epoch: number): boolean {
    return epoch <= (this.#peers.get(from)?.get(capsuleId) ?? -1);
  }
}
