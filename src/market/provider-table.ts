import { LRUCache } from 'lru-cache';
import type { Offer } from '../../protocols/messages/v1/schema.ts';
import { isWholeMicro, toMicro } from '../capsule/credits.ts';
import type { Clock } from '../lib/clock.ts';
import { BestFirst } from './best-first.ts';
import { type CapabilityRings, type Entry, type Standing, sizeOf, UNKNOWN_STANDING } from './entry.ts';
import { hash32 } from './hash.ts';
import { RingIndex } from './ring-index.ts';
import { DEFAULT_WEIGHTS, scoreOf, stepOf, type Weights } from './score.ts';
import type { Provider } from './types.ts';

/** How long an entry lives after its node's last advertisement, by this node's monotonic clock. */
export const ENTRY_TTL_MS = 300_000;
/** Nodes held at a time; newcomers beyond are refused until others expire. Twice the mesh that is measured. */
export const MAX_NODES = 20_000;
/** Providers held for one capability. */
export const MAX_PROVIDERS_PER_CAPABILITY = 20_000;
/** Offers held in all, about 100 MB: a flood of invented names must not fill the memory. */
export const MAX_OFFERS = 200_000;
/** Last sequence numbers remembered, longest unheard first to go: three times the nodes held, gone ones included. */
export const MAX_SEQUENCES = 60_000;
/** An offer's free-form detail beyond this many characters of JSON is dropped. */
export const MAX_DETAIL_CHARS = 2_048;

/** Why an advertisement did or did not change the table. */
export type Applied = 'applied' | 'replay' | 'full';

interface KnownNode {
  readonly nodeId: string;
  readonly point: number;
  readonly entries: Map<string, Entry>;
  standing: Standing;
  sequence: number | undefined;
  /** Monotonic milliseconds of the last advertisement or bid. */
  heardAt: number;
}

export interface ProviderTableComponents {
  clock: Clock;
}

export interface ProviderTableInit {
  weights?: Weights;
  ttlMs?: number;
}

/** Who offers what (node "Market and scheduler"). Updates and choices cost O(log n). */
export class ProviderTable {
  readonly weights: Weights;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  /** Longest unheard first, since whoever is heard moves to the end: expiry looks at the front only. */
  readonly #nodes = new Map<string, KnownNode>();
  readonly #capabilities = new Map<string, CapabilityRings>();
  /** Outlives the entries, so that a withdrawn or expired node's old messages stay replays. */
  readonly #sequences = new LRUCache<string, number>({ max: MAX_SEQUENCES });
  /** No node expires before this monotonic time. */
  #nextExpiry = Number.POSITIVE_INFINITY;
  #size = 0;

  constructor(components: ProviderTableComponents, init: ProviderTableInit = {}) {
    this.#clock = components.clock;
    this.weights = init.weights ?? DEFAULT_WEIGHTS;
    this.#ttlMs = init.ttlMs ?? ENTRY_TTL_MS;
  }

  /** Offers of all nodes. */
  get size(): number {
    this.#expire();
    return this.#size;
  }

  get knownNodes(): number {
    this.#expire();
    return this.#nodes.size;
  }

  capabilities(): string[] {
    this.#expire();
    return [...this.#capabilities.keys()];
  }

  /** The sequence last accepted from the node; undefined when none is remembered. */
  lastSequence(nodeId: string): number | undefined {
    return this.#nodes.get(nodeId)?.sequence ?? this.#sequences.get(nodeId);
  }

  /**
   * Replaces everything the node offers; an empty list withdraws it. Its sender must have been authenticated.
   * An offer whose price the ledger cannot count, or beyond a limit, is left out. Without `standing` the node
   * keeps the one it had.
   */
  apply(
    advertisement: { nodeId: string; sequence: number; capabilities: readonly Offer[] },
    standing?: Standing,
  ): Applied {
    this.#expire();
    const { nodeId, sequence, capabilities } = advertisement;
    const last = this.lastSequence(nodeId);
    if (last !== undefined && sequence <= last) return 'replay';
    this.#sequences.set(nodeId, sequence);
    if (capabilities.length === 0) {
      this.remove(nodeId);
      return 'applied';
    }
    const node = this.#heard(nodeId, standing);
    if (node === undefined) return 'full';
    node.sequence = sequence;
    const kept = new Set<string>();
    for (const offer of capabilities) if (this.#offer(node, offer)) kept.add(offer.capabilityId);
    if (kept.size < node.entries.size) {
      for (const entry of [...node.entries.values()])
        if (!kept.has(entry.capabilityId)) this.#drop(node, entry);
    }
    return 'applied';
  }

  /** Adds or updates one offer that the node made in person; its next advertisement replaces it. */
  noteOffer(nodeId: string, offer: Omit<Offer, 'locality'>, standing?: Standing): boolean {
    this.#expire();
    const node = this.#heard(nodeId, standing);
    if (node === undefined) return false;
    const detail = offer.detail ?? node.entries.get(offer.capabilityId)?.detail;
    return this.#offer(node, detail === undefined ? offer : { ...offer, detail });
  }

  /** Places a node's entries anew after a measurement. Unknown nodes are ignored. */
  updatePeer(nodeId: string, standing: Standing): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    if (node.standing.ring === standing.ring && node.standing.roundTripMs === standing.roundTripMs) return;
    node.standing = standing;
    for (const entry of [...node.entries.values()]) this.#place(node, entry, entry);
  }

  /** Forgets a node's offers; its last sequence stays known. */
  remove(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    for (const entry of [...node.entries.values()]) this.#drop(node, entry);
    this.#nodes.delete(nodeId);
  }

  entry(nodeId: string, capabilityId: string): Entry | undefined {
    this.#expire();
    return this.#nodes.get(nodeId)?.entries.get(capabilityId);
  }

  /** The providers of a capability, ordered; for the scheduler. Undefined when there is none. */
  rings(capabilityId: string): CapabilityRings | undefined {
    this.#expire();
    return this.#capabilities.get(capabilityId);
  }

  /** Best score first. */
  providersOf(capabilityId: string, options: { limit: number }): Provider[] {
    const rings = this.rings(capabilityId);
    if (rings === undefined) return [];
    const found: Provider[] = [];
    const best = new BestFirst(
      [rings.ring1.classes, rings.ring2.classes, rings.global.classes],
      Number.POSITIVE_INFINITY,
    );
    for (let next = best.next(); next !== undefined && found.length < options.limit; next = best.next()) {
      const entries = next.index.clockwise(next, 0, options.limit - found.length, () => true);
      for (const entry of entries) found.push(this.#provider(entry));
    }
    return found;
  }

  /** Capability by capability in the order of their names, best score first. */
  all(limit: number): Provider[] {
    const found: Provider[] = [];
    for (const capabilityId of this.capabilities().sort()) {
      if (found.length >= limit) break;
      found.push(...this.providersOf(capabilityId, { limit: limit - found.length }));
    }
    return found;
  }

  #heard(nodeId: string, standing: Standing | undefined): KnownNode | undefined {
    const heardAt = this.#clock.monotonic();
    let node = this.#nodes.get(nodeId);
    if (node === undefined) {
      if (this.#nodes.size >= MAX_NODES) return undefined;
      const sequence = this.#sequences.get(nodeId);
      const at = { standing: standing ?? UNKNOWN_STANDING, sequence, heardAt };
      node = { nodeId, point: hash32(nodeId), entries: new Map(), ...at };
    } else if (standing !== undefined) {
      this.updatePeer(nodeId, standing);
    }
    node.heardAt = heardAt;
    this.#nodes.delete(nodeId);
    this.#nodes.set(nodeId, node);
    this.#nextExpiry = Math.min(this.#nextExpiry, heardAt + this.#ttlMs);
    return node;
  }

  #offer(node: KnownNode, offer: Omit<Offer, 'locality'>): boolean {
    if (!isWholeMicro(offer.price)) return false;
    const known = node.entries.get(offer.capabilityId);
    if (known === undefined) {
      if (this.#size >= MAX_OFFERS) return false;
      const rings = this.#capabilities.get(offer.capabilityId);
      if (rings !== undefined && sizeOf(rings) >= MAX_PROVIDERS_PER_CAPABILITY) return false;
    }
    this.#place(node, boundedOffer(offer), known);
    return true;
  }

  /** Puts an offer where its score belongs; where that is unchanged, only the numbers change. */
  #place(
    node: KnownNode,
    offer: Pick<Entry, 'capabilityId' | 'price' | 'estimatedLatency' | 'idempotent'> & {
      detail?: Entry['detail'];
    },
    known: Entry | undefined,
  ): void {
    const { capabilityId, price, estimatedLatency, idempotent, detail } = offer;
    const { ring, roundTripMs } = node.standing;
    const latencySeconds = estimatedLatency + roundTripMs / 1000;
    const score = scoreOf(this.weights, price, latencySeconds, ring);
    const step = stepOf(score);
    const estimate = { estimatedLatency, roundTripMs, latencySeconds, score, idempotent, detail };
    if (known !== undefined && known.step === step && known.price === price && known.ring === ring) {
      Object.assign(known, estimate);
      return;
    }
    if (known !== undefined) this.#drop(node, known);
    const { nodeId, point } = node;
    const place = { nodeId, point, step, priceMicro: toMicro(price) };
    const entry: Entry = { ...place, capabilityId, ring, price, ...estimate };
    node.entries.set(capabilityId, entry);
    let rings = this.#capabilities.get(capabilityId);
    if (rings === undefined) {
      rings = { ring1: new RingIndex(), ring2: new RingIndex(), global: new RingIndex() };
      this.#capabilities.set(capabilityId, rings);
    }
    rings[ring].add(entry);
    this.#size++;
  }

  #drop(node: KnownNode, entry: Entry): void {
    const rings = this.#capabilities.get(entry.capabilityId);
    node.entries.delete(entry.capabilityId);
    rings?.[entry.ring].remove(entry);
    if (rings !== undefined && sizeOf(rings) === 0) this.#capabilities.delete(entry.capabilityId);
    this.#size--;
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    for (const node of this.#nodes.values()) {
      if (node.heardAt + this.#ttlMs > now) {
        this.#nextExpiry = node.heardAt + this.#ttlMs;
        break;
      }
      this.remove(node.nodeId);
    }
  }

  #provider(entry: Entry): Provider {
    const { nodeId, capabilityId, price, estimatedLatency, ring, roundTripMs, idempotent, detail } = entry;
    const heardAt = this.#nodes.get(nodeId)?.heardAt ?? 0;
    const ageMs = this.#clock.monotonic() - heardAt;
    const offered = { nodeId, capabilityId, price, estimatedLatency, idempotent };
    const provider = { ...offered, ring, roundTripMs, ageMs };
    return detail === undefined ? provider : { ...provider, detail };
  }
}

/** Without a detail that is too long. */
function boundedOffer({ detail, ...offer }: Omit<Offer, 'locality'>): Omit<Offer, 'locality'> {
  return detail !== undefined && JSON.stringify(detail).length <= MAX_DETAIL_CHARS
    ? { ...offer, detail }
    : offer;
}
