import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';

/** Peers remembered as misbehaving; the least recent is forgiven first. */
const PEERS_MAX = 4_096;
/** Time in which a penalty loses half of its weight. */
const HALF_LIFE_MS = 300_000;

/**
 * Rejected messages of each peer, fading with time: the application's share of its gossipsub score, so that every
 * topic counts, those included whose names nobody knew at start.
 */
export class Penalties {
  readonly #clock: Clock;
  readonly #peers = new LRUCache<string, { points: number; at: number }>({ max: PEERS_MAX });

  constructor(components: { clock: Clock }) {
    this.#clock = components.clock;
  }

  add(nodeId: string): void {
    this.#peers.set(nodeId, { points: this.of(nodeId) + 1, at: this.#clock.monotonic() });
  }

  of(nodeId: string): number {
    const entry = this.#peers.get(nodeId);
    if (entry === undefined) return 0;
    return entry.points * 0.5 ** ((this.#clock.monotonic() - entry.at) / HALF_LIFE_MS);
  }
}
