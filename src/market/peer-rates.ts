import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket, type TokenBucketInit } from '../network/token-bucket.ts';

/** Peers whose rates are remembered: more than can be connected. One that is forgotten has a fresh allowance. */
const MAX_PEERS = 1_024;

/** A rate for each peer, which outlives its connections, and one for all together. */
export class PeerRates {
  readonly #clock: Clock;
  readonly #each: TokenBucketInit;
  readonly #all: TokenBucket;
  readonly #peers = new LRUCache<string, TokenBucket>({ max: MAX_PEERS });

  constructor(components: { clock: Clock }, init: { each: TokenBucketInit; all: TokenBucketInit }) {
    this.#clock = components.clock;
    this.#each = init.each;
    this.#all = new TokenBucket(components, init.all);
  }

  /** Whether one more is within the rates; if so it is counted. */
  admits(nodeId: string): boolean {
    let peer = this.#peers.get(nodeId);
    if (peer === undefined) {
      peer = new TokenBucket({ clock: this.#clock }, this.#each);
      this.#peers.set(nodeId, peer);
    }
    if (peer.waitMs() > 0 || this.#all.waitMs() > 0) return false;
    peer.take(1);
    this.#all.take(1);
    return true;
  }
}
