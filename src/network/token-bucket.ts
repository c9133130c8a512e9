import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';

export interface TokenBucketInit {
  perSecond: number;
  /** Most that can be saved up. */
  burst: number;
}

/** Names whose buckets are remembered; the least recent is forgotten, and begins anew with a full one. */
const REMEMBERED_MAX = 4_096;

/** A rate as a token bucket that may go into debt: what has arrived is taken, and the debt says how long to wait. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #updatedAt: number;

  constructor(components: { clock: Clock }, init: TokenBucketInit) {
    this.#clock = components.clock;
    this.#perMs = init.perSecond / 1000;
    this.#burst = init.burst;
    this.#tokens = init.burst;
    this.#updatedAt = components.clock.monotonic();
  }

  take(amount: number): void {
    this.#refill();
    this.#tokens -= amount;
  }

  /** What can be taken without a debt; negative in one. */
  get left(): number {
    this.#refill();
    return this.#tokens;
  }

  /** Milliseconds until the debt is paid; 0 without debt. */
  waitMs(): number {
    this.#refill();
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs);
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#updatedAt) * this.#perMs);
    this.#updatedAt = now;
  }
}

/** A bucket for each peer, host or author. */
export class TokenBuckets {
  readonly #components: { clock: Clock };
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: REMEMBERED_MAX });

  constructor(components: { clock: Clock }) {
    this.#components = components;
  }

  /** Made by `init` when it is first asked for. */
  of(name: string, init: TokenBucketInit): TokenBucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#components, init);
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }
}
