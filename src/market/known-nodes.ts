import type { Clock } from '../lib/clock.ts';
import type { Entry, Standing } from './entry.ts';
import { hash32 } from './hash.ts';
import type { LastHeard } from './last-heard.ts';
import { Shares } from './shares.ts';

/** About what the heap keeps for a node without its offers; measured. */
const NODE_BYTES = 1_024;

/** A node that offers something. */
export interface KnownNode {
  readonly nodeId: string;
  readonly point: number;
  readonly entries: Map<string, Entry>;
  standing: Standing;
  /** This node shook hands with it once. */
  proven: boolean;
  /** Of whose deliveries it is a part; undefined while it is none of them. */
  share: string | undefined;
  last: LastHeard | undefined;
  /** Monotonic milliseconds of the last advertisement or bid. */
  heardAt: number;
  /** With its offers. */
  bytes: number;
}

export interface KnownNodesComponents {
  clock: Clock;
  /** Whether a node is connected at this moment: it keeps its place before all others. */
  connected: (nodeId: string) => boolean;
}

/** Nodes with offers: when each was last heard, how much room it takes, and which gives way first. */
export class KnownNodes {
  readonly #clock: Clock;
  readonly #connected: (nodeId: string) => boolean;
  readonly #ttlMs: number;
  /** Longest unheard first, since a node that is heard from moves to the end: expiry looks at the front only. */
  readonly #nodes = new Map<string, KnownNode>();
  readonly #shares = new Shares<KnownNode>();
  /** No node expires before this monotonic time. */
  #nextExpiry = Number.POSITIVE_INFINITY;
  #bytes = 0;

  constructor({ clock, connected }: KnownNodesComponents, { ttlMs }: { ttlMs: number }) {
    this.#clock = clock;
    this.#connected = connected;
    this.#ttlMs = ttlMs;
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Of the nodes and their offers. */
  get bytes(): number {
    return this.#bytes;
  }

  get(nodeId: string): KnownNode | undefined {
    return this.#nodes.get(nodeId);
  }

  /** Its first deliverer is who it is counted to: another one that is faster later takes nothing over. */
  add(
    { nodeId, proven, ...known }: Pick<KnownNode, 'nodeId' | 'standing' | 'proven' | 'last'>,
    deliverer: string,
  ): KnownNode {
    const node: KnownNode = {
      ...known,
      nodeId,
      proven,
      point: hash32(nodeId),
      entries: new Map(),
      share: undefined,
      heardAt: 0,
      bytes: NODE_BYTES,
    };
    this.#bytes += node.bytes;
    if (!proven) node.share = this.#shares.add(deliverer, node);
    this.heard(node);
    return node;
  }

  heard(node: KnownNode): void {
    node.heardAt = this.#clock.monotonic();
    this.#nodes.delete(node.nodeId);
    this.#nodes.set(node.nodeId, node);
    if (node.share !== undefined) this.#shares.heard(node.share, node);
    this.#nextExpiry = Math.min(this.#nextExpiry, node.heardAt + this.#ttlMs);
  }

  /** This node shook hands with it, so it no longer counts for the peer that delivered its advertisement. */
  met(node: KnownNode, standing: Standing): void {
    node.standing = standing;
    node.proven = true;
    this.#leaveShare(node);
  }

  /** Its offers take so much more, or less. */
  grew(node: KnownNode, bytes: number): void {
    node.bytes += bytes;
    this.#bytes += bytes;
    if (node.share !== undefined) this.#shares.grew(node.share, bytes);
  }

  /** Without its offers, which were taken away before. */
  remove(node: KnownNode): void {
    this.#leaveShare(node);
    this.#bytes -= node.bytes;
    this.#nodes.delete(node.nodeId);
  }

  /** One that was not heard of for too long; undefined where there is none. */
  expired(): KnownNode | undefined {
    const now = this.#clock.monotonic();
    if (now < this.#nextExpiry) return undefined;
    const [oldest] = this.#nodes.values();
    this.#nextExpiry = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.heardAt + this.#ttlMs;
    return now < this.#nextExpiry ? undefined : oldest;
  }

  /** The node to remove where there is no room for one: a new one, or one that has more offers than before. */
  leastClaim(node: KnownNode, isNew: boolean): KnownNode {
    const largest = this.#shares.largest();
    // A peer that delivered most may not replace what it delivered before by newcomers.
    if (largest !== undefined) return isNew && largest.name === node.share ? node : largest.oldest;
    if (!this.#connected(node.nodeId)) return node;
    for (const each of this.#nodes.values()) if (!this.#connected(each.nodeId)) return each;
    return node;
  }

  #leaveShare(node: KnownNode): void {
    if (node.share !== undefined) this.#shares.remove(node.share, node);
    node.share = undefined;
  }
}
