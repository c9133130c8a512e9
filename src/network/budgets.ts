import { LRUCache } from 'lru-cache';
import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { type Host, isNear } from './hosts.ts';
import type { NetworkLimits } from './limits.ts';
import { TokenBucket, type TokenBucketInit } from './token-bucket.ts';

/** Answering one reads much and says much: a few a second serve every honest use. */
const QUERY: TokenBucketInit = { perSecond: 2, burst: 8 };
/** One for each change at the peer, which it batches to four a second. */
const ADVERTISEMENT: TokenBucketInit = { perSecond: 5, burst: 20 };
/** Several for each capsule on its way: bounded so that one kind cannot take the whole of `framesPerSecond`. */
const TRAFFIC: TokenBucketInit = { perSecond: 10_000, burst: 20_000 };
/** After a restart a node asks after all that it has in hand, at once. */
const AFTER_RESTART: TokenBucketInit = { perSecond: 500, burst: 5_000 };
/** Types that this node does not know: each is declined by name. */
const UNKNOWN: TokenBucketInit = { perSecond: 20, burst: 100 };
/** Frames that do not begin with their type must be parsed to be judged. */
const OPAQUE: TokenBucketInit = { perSecond: 2_000, burst: 4_000 };

const KINDS: ReadonlyMap<string, TokenBucketInit> = new Map(
  Object.entries({
    capability_query: QUERY,
    ledger_query: { perSecond: 5, burst: 20 },
    capability_advertisement: ADVERTISEMENT,
    ledger_entries: AFTER_RESTART,
    capsule_request: AFTER_RESTART,
    capsule_result_request: AFTER_RESTART,
    capsule_progress_request: AFTER_RESTART,
    capsule_cancel: AFTER_RESTART,
    capsule_data: TRAFFIC,
    capsule_accept: TRAFFIC,
    capsule_decline: TRAFFIC,
    capsule_progress: TRAFFIC,
    capsule_result: TRAFFIC,
    capsule_settlement: TRAFFIC,
  } satisfies Record<ExchangeMessage['type'], TokenBucketInit>),
);

/** Kind of a frame whose type cannot be read off its beginning. */
export const OPAQUE_KIND = 'opaque';

/** Peers and hosts remembered; the least recent is forgotten and begins anew: a peer that was forgotten still has its host's. */
const REMEMBERED_MAX = 4_096;
/** A host's budgets over a peer's: several nodes share a household's address, and many a machine or a private network. */
const SHARED_BY_PUBLIC_HOST = 4;
const SHARED_BY_NEAR_HOST = 64;

/** One budget for each kind of message, and one for all frames and their bytes. Buckets are made when first used. */
class Budgets {
  readonly #clock: Clock;
  readonly #factor: number;
  readonly #limits: NetworkLimits;
  readonly #kinds = new Map<string, TokenBucket>();
  readonly frames: TokenBucket;
  readonly bytes: TokenBucket;

  constructor(clock: Clock, limits: NetworkLimits, factor: number) {
    this.#clock = clock;
    this.#limits = limits;
    this.#factor = factor;
    const { framesPerSecond, bytesPerSecond } = limits;
    this.frames = this.#bucket({
      perSecond: framesPerSecond,
      burst: framesPerSecond * limits.rateBurstSeconds,
    });
    this.bytes = this.#bucket({ perSecond: bytesPerSecond, burst: bytesPerSecond * limits.rateBurstSeconds });
  }

  kind(name: string): TokenBucket {
    const init = name === OPAQUE_KIND ? OPAQUE : KINDS.get(name);
    const key = init === undefined ? 'unknown' : name;
    let bucket = this.#kinds.get(key);
    if (bucket === undefined) {
      bucket = this.#bucket(this.#limits.kindBudgets[key] ?? init ?? UNKNOWN);
      this.#kinds.set(key, bucket);
    }
    return bucket;
  }

  #bucket({ perSecond, burst }: TokenBucketInit): TokenBucket {
    return new TokenBucket(
      { clock: this.#clock },
      { perSecond: perSecond * this.#factor, burst: burst * this.#factor },
    );
  }
}

/** What one peer may send, over all its streams and connections, and together with the others of its host. */
export class PeerBudget {
  readonly #shares: readonly Budgets[];

  constructor(shares: readonly Budgets[]) {
    this.#shares = shares;
  }

  /** Milliseconds until the next frame may be handled; 0 now. */
  waitMs(): number {
    let longest = 0;
    for (const { frames, bytes } of this.#shares)
      longest = Math.max(longest, frames.waitMs(), bytes.waitMs());
    return longest;
  }

  /** The same for one kind of message. */
  kindWaitMs(kind: string): number {
    let longest = 0;
    for (const share of this.#shares) longest = Math.max(longest, share.kind(kind).waitMs());
    return longest;
  }

  takeBytes(amount: number): void {
    for (const { bytes } of this.#shares) bytes.take(amount);
  }

  takeFrame(): void {
    for (const { frames } of this.#shares) frames.take(1);
  }

  takeKind(kind: string): void {
    for (const share of this.#shares) share.kind(kind).take(1);
  }
}

export interface PeerBudgetsComponents {
  clock: Clock;
  /** Host of a connected peer; undefined where it has no IP address. */
  host: (nodeId: string) => Host | undefined;
}

/** Budgets live with the peer and its host: closing a stream or a connection gives no fresh allowance. */
export class PeerBudgets {
  readonly #components: PeerBudgetsComponents;
  readonly #limits: NetworkLimits;
  readonly #peers = new LRUCache<string, Budgets>({ max: REMEMBERED_MAX });
  readonly #hosts = new LRUCache<string, Budgets>({ max: REMEMBERED_MAX });

  constructor(components: PeerBudgetsComponents, limits: NetworkLimits) {
    this.#components = components;
    this.#limits = limits;
  }

  of(nodeId: string): PeerBudget {
    const host = this.#components.host(nodeId);
    const own = this.#in(this.#peers, nodeId, 1);
    if (host === undefined) return new PeerBudget([own]);
    const factor = isNear(host) ? SHARED_BY_NEAR_HOST : SHARED_BY_PUBLIC_HOST;
    return new PeerBudget([own, this.#in(this.#hosts, host.key, factor)]);
  }

  #in(cache: LRUCache<string, Budgets>, key: string, factor: number): Budgets {
    const known = cache.get(key);
    if (known !== undefined) return known;
    const budgets = new Budgets(this.#components.clock, this.#limits, factor);
    cache.set(key, budgets);
    return budgets;
  }
}

/** A frame's beginning as every node of the mesh writes it. */
const HEAD = /^\s*\{\s*"type"\s*:\s*"([a-z_]{1,64})"/;
const HEAD_BYTES = 96;

/** The message's type, read without parsing; `OPAQUE_KIND` where it does not come first. */
export function kindOf(body: Uint8Array): string {
  const head = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, HEAD_BYTES)).toString(
    'latin1',
  );
  return HEAD.exec(head)?.[1] ?? OPAQUE_KIND;
}
