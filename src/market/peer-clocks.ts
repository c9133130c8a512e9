import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Clock } from '../lib/clock.ts';

/** Peers whose clocks are remembered as wrong: more than can be connected. */
const MAX_PEERS = 1_024;

export interface PeerClocksComponents {
  clock: Pick<Clock, 'now'>;
  log: Logger;
  isConnected: (nodeId: string) => boolean;
}

/** How far the clocks of peers are from this one's, by what they say directly: only those that are too far. */
export class PeerClocks {
  readonly #parts: PeerClocksComponents;
  /** Milliseconds that each is ahead; negative where it is behind. */
  readonly #wrong = new LRUCache<string, number>({ max: MAX_PEERS });

  constructor(parts: PeerClocksComponents) {
    this.#parts = parts;
  }

  /** For what a peer has just said, on a connection of its own. */
  heard(nodeId: string, timestamp: number): void {
    const { clock, log } = this.#parts;
    const aheadMs = timestamp - clock.now();
    const known = this.#wrong.has(nodeId);
    if (Math.abs(aheadMs) <= LIMITS.clockSkewMs) {
      if (this.#wrong.delete(nodeId)) log.info({ nodeId, aheadMs }, "A peer's clock agrees again");
      return;
    }
    this.#wrong.set(nodeId, aheadMs);
    if (known) return;
    log.warn(
      { code: 'clock_skew', nodeId, aheadMs, allowedMs: LIMITS.clockSkewMs },
      sentence(nodeId, aheadMs),
    );
  }

  /** For a person: those connected now, in one sentence each or, where all are off, what that may mean. */
  warnings(): string[] {
    const off = [...this.#wrong].filter(([nodeId]) => this.#parts.isConnected(nodeId));
    return off.map(([nodeId, aheadMs]) => sentence(nodeId, aheadMs));
  }
}

function sentence(nodeId: string, aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  const side = aheadMs > 0 ? 'ahead of' : 'behind';
  return `The clock of ${nodeId} is ${seconds} s ${side} this one's, more than is allowed (${LIMITS.clockSkewMs / 1_000} s): set the one that is wrong.`;
}
