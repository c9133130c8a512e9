import type { Multiaddr } from '@multiformats/multiaddr';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import { type Host, hostOf, isNear } from './hosts.ts';
import type { NetworkLimits } from './limits.ts';
import { type TokenBucket, TokenBuckets } from './token-bucket.ts';

/** What is used of a connection below its encryption. */
export interface Transport {
  readonly remoteAddr: Multiaddr;
  close(): Promise<void>;
  abort(error: Error): void;
  addEventListener(event: 'close', listener: () => void): void;
}

export interface ConnectionSharesComponents {
  clock: Clock;
  /** Allowed by name, or a bootstrap node. */
  isKnown: (nodeId: string) => boolean;
}

type Direction = 'inbound' | 'outbound';

interface Held {
  transport: Transport;
  peer: string;
  host: string;
  direction: Direction;
  /** Monotonic milliseconds. */
  openedAt: number;
}

/** Two nodes that dial each other at the same time have two; the rest is for addresses that answer at once. */
const CONNECTIONS_PER_PEER = 4;
/** Part of the places that strangers cannot take: for bootstrap, allowed and useful peers, and for this node's own dials. */
const KEPT_SHARE = 0.25;
/** Part of the places that useful peers can hold against strangers. */
const FAVOURED_SHARE = 0.5;
/** Handshakes under way from one host; each ends within libp2p's 10 s. */
const PENDING_PER_HOST = 10;
const PENDING_PER_NEAR_HOST = 64;
/** New connections a second: a near host's rate over a public one's. */
const NEAR_RATE_FACTOR = 10;
/** Peers that were heard are remembered; the least recent counts as silent since it came. */
const HEARD_MAX = 4_096;

type Limits = Pick<
  NetworkLimits,
  'maxConnections' | 'maxPerHost' | 'maxPerNearHost' | 'inboundConnectionsPerSecond' | 'tenureMs'
>;

/**
 * Who holds the places for connections. One host and one identity have their shares; a part is kept for peers that
 * this node knows or has use for; and among strangers a newcomer takes the place of one that was silent for long, so
 * that nobody can hold them all by coming first.
 */
export class ConnectionShares {
  readonly #components: ConnectionSharesComponents;
  readonly #limits: Limits;
  readonly #held = new Set<Held>();
  readonly #pending = new Map<Transport, string>();
  readonly #favoured: LRUCache<string, true>;
  /** Monotonic milliseconds of a peer's last message. */
  readonly #heardAt = new LRUCache<string, number>({ max: HEARD_MAX });
  readonly #rates: TokenBuckets;

  constructor(components: ConnectionSharesComponents, limits: Limits) {
    this.#components = components;
    this.#limits = limits;
    this.#rates = new TokenBuckets(components);
    this.#favoured = new LRUCache({ max: Math.max(1, Math.floor(limits.maxConnections * FAVOURED_SHARE)) });
  }

  /** The peer did useful work, or may: it keeps its place. The least recent of too many become strangers again. */
  favour(nodeId: string): void {
    this.#favoured.set(nodeId, true);
  }

  /** The peer said something. */
  heard(nodeId: string): void {
    this.#heardAt.set(nodeId, this.#components.clock.monotonic());
  }

  /** Before the handshake: how often, and how many at once, a host may come. */
  admitsHandshake(transport: Transport): boolean {
    const host = hostOf(transport.remoteAddr);
    const key = keyOf(host, transport);
    const pending = [...this.#pending.values()].filter((other) => other === key).length;
    if (pending >= (isNear(host) ? PENDING_PER_NEAR_HOST : PENDING_PER_HOST)) return false;
    const rate = this.#rate(key, host);
    if (rate.waitMs() > 0) return false;
    rate.take(1);
    this.#pending.set(transport, key);
    transport.addEventListener('close', () => this.#pending.delete(transport));
    return true;
  }

  /** After the handshake: whether there is a place, or one can be made. Takes it. */
  admits(nodeId: string, transport: Transport, direction: Direction): boolean {
    this.#pending.delete(transport);
    if (this.#count(({ peer }) => peer === nodeId) >= CONNECTIONS_PER_PEER) return false;
    const host = hostOf(transport.remoteAddr);
    const openedAt = this.#components.clock.monotonic();
    const held: Held = { transport, peer: nodeId, host: keyOf(host, transport), direction, openedAt };
    if (!this.#makeRoom(held, isNear(host))) return false;
    this.#held.add(held);
    transport.addEventListener('close', () => this.#held.delete(held));
    return true;
  }

  #makeRoom({ peer, host, direction }: Held, near: boolean): boolean {
    const { maxConnections, maxPerHost, maxPerNearHost } = this.#limits;
    const isFull = this.#held.size >= maxConnections;
    if (this.#isKept(peer) || direction === 'outbound') return !isFull || this.#evict(() => true);
    const ofHost = (held: Held): boolean => held.host === host;
    if (this.#count(ofHost) >= (near ? maxPerNearHost : maxPerHost)) return this.#evict(ofHost);
    const kept = Math.floor(maxConnections * KEPT_SHARE);
    const strangers = this.#count((held) => !this.#isKept(held.peer));
    return (!isFull && strangers < maxConnections - kept) || this.#evict(() => true);
  }

  /** Closes a stranger's connection: of the host with most of them, inbound first, the one silent for longest. */
  #evict(among: (held: Held) => boolean): boolean {
    const { clock } = this.#components;
    const settled = clock.monotonic() - this.#limits.tenureMs;
    const counts = new Map<string, number>();
    for (const { host } of this.#held) counts.set(host, (counts.get(host) ?? 0) + 1);
    const crowd = ({ host }: Held): number => counts.get(host) ?? 0;
    const [worst] = [...this.#held]
      .filter((held) => held.openedAt <= settled && !this.#isKept(held.peer) && among(held))
      .sort(
        (a, b) =>
          Number(a.direction === 'outbound') - Number(b.direction === 'outbound') ||
          crowd(b) - crowd(a) ||
          this.#lastOf(a) - this.#lastOf(b),
      );
    if (worst === undefined) return false;
    this.#held.delete(worst);
    worst.transport.close().catch((error: Error) => worst.transport.abort(error));
    return true;
  }

  #lastOf({ peer, openedAt }: Held): number {
    return Math.max(openedAt, this.#heardAt.get(peer) ?? 0);
  }

  #isKept(nodeId: string): boolean {
    return this.#favoured.has(nodeId) || this.#components.isKnown(nodeId);
  }

  #count(matches: (held: Held) => boolean): number {
    return [...this.#held].filter(matches).length;
  }

  #rate(key: string, host: Host | undefined): TokenBucket {
    const perSecond = this.#limits.inboundConnectionsPerSecond * (isNear(host) ? NEAR_RATE_FACTOR : 1);
    return this.#rates.of(key, { perSecond, burst: perSecond });
  }
}

function keyOf(host: Host | undefined, { remoteAddr }: Transport): string {
  return host?.key ?? remoteAddr.toString();
}
