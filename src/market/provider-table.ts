import { LRUCache } from 'lru-cache';
import type { Offer } from '../../protocols/messages/v1/schema.ts';
import { toMicro } from '../capsule/credits.ts';
import type { Clock } from '../lib/clock.ts';
import { bestOf, type CapabilityIndex } from './capability-index.ts';
import { Catalogue } from './catalogue.ts';
import { type Changes, NO_CHANGES } from './change-feed.ts';
import { bytesOf, type Entry, providerOf, type Standing, UNKNOWN_STANDING } from './entry.ts';
import { type KnownNode, KnownNodes } from './known-nodes.ts';
import { type Headed, type LastHeard, lastHeardOf, type Order, orderOf } from './last-heard.ts';
import {
  MAX_DETAIL_CHARS,
  type ReadOffer,
  readOffer,
  readOffers,
  sameModels,
  type WireOffer,
} from './offer.ts';
import { DEFAULT_WEIGHTS, scoreOf, stepOf, type Weights } from './score.ts';
import type { Provider } from './types.ts';

/** How long an entry lives after its node's last advertisement, by this node's monotonic clock. */
export const ENTRY_TTL_MS = 300_000;
/** Nodes held at a time. Twice the mesh that is measured. */
export const MAX_NODES = 20_000;
/** Bytes held, as counted below: 10,000 nodes with a dozen offers each. A flood of invented names stops there. */
export const MAX_TABLE_BYTES = 100_663_296;
/** Nodes of which the last sequence is remembered, longest unheard first to go: three times those held, gone ones included. */
export const MAX_SEQUENCES = 60_000;
/** Nodes remembered as met, with where they stood: more than are connected to in a day. */
export const MAX_MET = 20_000;

/** Why an advertisement did or did not change the table. */
export type Applied = 'applied' | 'replay' | 'full';

export interface ProviderTableComponents {
  clock: Clock;
  /** Whether a node is connected at this moment: it keeps its place before all others. */
  connected?: (nodeId: string) => boolean;
  changes?: Changes;
}

export interface ProviderTableInit {
  weights?: Weights;
  ttlMs?: number;
  maxNodes?: number;
  maxBytes?: number;
}

/**
 * Which node offers which capability (node "Market and scheduler"). Updates and choices cost O(log n). Where it is full, nodes that were
 * never met give way, those first whom the peer delivered that delivered most; then those that are not connected.
 */
export class ProviderTable {
  readonly weights: Weights;
  readonly #clock: Clock;
  readonly #changes: Changes;
  readonly #maxNodes: number;
  readonly #maxBytes: number;
  readonly #nodes: KnownNodes;
  readonly #catalogue = new Catalogue();
  /** Outlives the entries, so that a withdrawn or expired node's old messages stay replays. */
  readonly #lastHeard = new LRUCache<string, LastHeard>({ max: MAX_SEQUENCES });
  /** Where those stood that this node ever shook hands with. */
  readonly #met = new LRUCache<string, Standing>({ max: MAX_MET });

  constructor(components: ProviderTableComponents, init: ProviderTableInit = {}) {
    this.#clock = components.clock;
    const connected = components.connected ?? (() => false);
    const ttlMs = init.ttlMs ?? ENTRY_TTL_MS;
    this.#nodes = new KnownNodes({ clock: components.clock, connected }, { ttlMs });
    this.#changes = components.changes ?? NO_CHANGES;
    this.weights = init.weights ?? DEFAULT_WEIGHTS;
    this.#maxNodes = init.maxNodes ?? MAX_NODES;
    this.#maxBytes = init.maxBytes ?? MAX_TABLE_BYTES;
  }

  /** Offers of all nodes. */
  get size(): number {
    this.#expire();
    return this.#catalogue.size;
  }

  get knownNodes(): number {
    this.#expire();
    return this.#nodes.size;
  }

  /** As counted against `MAX_TABLE_BYTES`. */
  get bytes(): number {
    return this.#nodes.bytes + this.#catalogue.bytes;
  }

  /** Of all capabilities that are offered, in no order. */
  names(): Iterable<string> {
    this.#expire();
    return this.#catalogue.names();
  }

  /** How an advertisement stands to the newest of its node; `direct` where that node delivers it itself. */
  orderOf(advertisement: Headed & { nodeId: string }, { direct }: { direct: boolean }): Order {
    const { nodeId } = advertisement;
    const last = this.#nodes.get(nodeId)?.last ?? this.#lastHeard.get(nodeId);
    return orderOf(advertisement, last, { direct, now: this.#clock.now() });
  }

  /** Whether this node ever shook hands with it. */
  proven(nodeId: string): boolean {
    return this.#met.has(nodeId);
  }

  /**
   * Replaces everything the node offers; an empty list withdraws it. Its sender must have been authenticated.
   * An offer whose price the ledger cannot count, or beyond a limit, is left out. `standing` is where this node
   * measured it, so that it is proven; without, it keeps what it had. `deliverer` is the peer that passed it on, and
   * `direct` says that it came on a connection of the node's own, and not by gossip.
   */
  apply(
    advertisement: Headed & { nodeId: string; capabilities: readonly Offer[] },
    standing?: Standing,
    { deliverer = '', direct = false }: { deliverer?: string; direct?: boolean } = {},
  ): Applied {
    this.#expire();
    const { nodeId, capabilities } = advertisement;
    if (this.orderOf(advertisement, { direct }) !== 'later') return 'replay';
    const last = lastHeardOf(advertisement);
    if (standing !== undefined) this.updatePeer(nodeId, standing);
    if (capabilities.length === 0) {
      this.#lastHeard.set(nodeId, last);
      this.remove(nodeId);
      return 'applied';
    }
    const isNew = this.#nodes.get(nodeId) === undefined;
    const node = this.#heard(nodeId, deliverer);
    const before = node.bytes;
    const offers = readOffers(capabilities);
    for (const offer of offers.values()) this.#take(node, offer);
    if (offers.size < node.entries.size) {
      for (const entry of [...node.entries.values()])
        if (!offers.has(entry.capabilityId)) this.#drop(node, entry);
    }
    if ((isNew || node.bytes > before) && !this.#makeRoom(node, isNew)) return 'full';
    // A node that there is no room for may take up none in the memory of sequences either.
    this.#lastHeard.set(nodeId, last);
    node.last = last;
    return 'applied';
  }

  /** Adds or updates one offer that the node made in person; its next advertisement replaces it. */
  noteOffer(nodeId: string, offer: WireOffer, standing?: Standing): boolean {
    this.#expire();
    if (standing !== undefined) this.updatePeer(nodeId, standing);
    const read = readOffer(offer, MAX_DETAIL_CHARS);
    if (read === undefined) return false;
    const isNew = this.#nodes.get(nodeId) === undefined;
    const node = this.#heard(nodeId, nodeId);
    const known = offer.detail === undefined ? node.entries.get(offer.capabilityId) : undefined;
    this.#take(node, known === undefined ? read : { ...read, detail: known.detail, models: known.models });
    return this.#makeRoom(node, isNew);
  }

  /** This node shook hands with it, and measured where it stands. */
  updatePeer(nodeId: string, standing: Standing): void {
    this.#met.set(nodeId, standing);
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    const { ring, roundTripMs } = node.standing;
    if (node.proven && ring === standing.ring && roundTripMs === standing.roundTripMs) return;
    this.#nodes.met(node, standing);
    for (const entry of [...node.entries.values()]) this.#place(node, entry, entry);
  }

  /** Forgets a node's offers; its last sequence stays known. */
  remove(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    for (const entry of [...node.entries.values()]) this.#drop(node, entry);
    this.#nodes.remove(node);
  }

  entry(nodeId: string, capabilityId: string): Entry | undefined {
    this.#expire();
    return this.#nodes.get(nodeId)?.entries.get(capabilityId);
  }

  /** The providers of a capability, ordered; for the scheduler. Undefined when there is none. */
  index(capabilityId: string): CapabilityIndex | undefined {
    this.#expire();
    return this.#catalogue.index(capabilityId);
  }

  /** Milliseconds since the node's last advertisement or bid. */
  ageMs(nodeId: string): number {
    return this.#clock.monotonic() - (this.#nodes.get(nodeId)?.heardAt ?? 0);
  }

  /** Best score first, those that were never met last. */
  providersOf(capabilityId: string, { limit }: { limit: number }): Provider[] {
    const index = this.index(capabilityId);
    const entries = index === undefined ? [] : bestOf(index, limit);
    return entries.map((entry) => providerOf(entry, this.ageMs(entry.nodeId)));
  }

  /** Capability by capability in the order of their names, best score first. */
  all(limit: number): Provider[] {
    const found: Provider[] = [];
    for (const capabilityId of [...this.names()].sort()) {
      if (found.length >= limit) break;
      found.push(...this.providersOf(capabilityId, { limit: limit - found.length }));
    }
    return found;
  }

  #heard(nodeId: string, deliverer: string): KnownNode {
    const known = this.#nodes.get(nodeId);
    if (known !== undefined) {
      this.#nodes.heard(known);
      return known;
    }
    const met = this.#met.get(nodeId);
    const [standing, proven] = [met ?? UNKNOWN_STANDING, met !== undefined];
    return this.#nodes.add({ nodeId, standing, proven, last: this.#lastHeard.get(nodeId) }, deliverer);
  }

  /** Removes the nodes with the least claim to a place until everything fits; false where the given node was removed. */
  #makeRoom(node: KnownNode, isNew: boolean): boolean {
    while (this.#nodes.size > this.#maxNodes || this.bytes > this.#maxBytes) {
      const victim = this.#nodes.leastClaim(node, isNew);
      this.remove(victim.nodeId);
      if (victim === node) return false;
    }
    return true;
  }

  #take(node: KnownNode, offer: ReadOffer): void {
    const known = node.entries.get(offer.capabilityId);
    const same = known?.price === offer.price && known.idempotent === offer.idempotent;
    const changed = !same || !sameModels(known.models, offer.models);
    this.#place(node, offer, known);
    if (changed) this.#changes.note(offer.capabilityId);
  }

  /** Puts an offer where its score belongs; where that is unchanged, only the numbers change. */
  #place(node: KnownNode, offer: ReadOffer, known: Entry | undefined): void {
    const { price, estimatedLatency, idempotent, models, detail } = offer;
    const { ring, roundTripMs } = node.standing;
    const band = node.proven ? ring : 'unproven';
    const latencySeconds = estimatedLatency + roundTripMs / 1000;
    const score = scoreOf(this.weights, price, latencySeconds, ring);
    const step = stepOf(score);
    const estimate = { estimatedLatency, roundTripMs, latencySeconds, score, idempotent, detail };
    if (
      known !== undefined &&
      known.step === step &&
      known.price === price &&
      known.ring === ring &&
      known.band === band &&
      sameModels(known.models, models)
    ) {
      this.#nodes.grew(node, (detail?.length ?? 0) - (known.detail?.length ?? 0));
      Object.assign(known, estimate);
      return;
    }
    if (known !== undefined) this.#drop(node, known);
    const capabilityId = this.#catalogue.shared(offer.capabilityId);
    const { nodeId, point } = node;
    const place = { nodeId, point, step, priceMicro: toMicro(price) };
    const entry: Entry = { ...place, capabilityId, ring, band, price, models, ...estimate };
    node.entries.set(capabilityId, entry);
    this.#catalogue.add(entry);
    this.#nodes.grew(node, bytesOf(entry));
  }

  #drop(node: KnownNode, entry: Entry): void {
    node.entries.delete(entry.capabilityId);
    this.#catalogue.remove(entry);
    this.#nodes.grew(node, -bytesOf(entry));
  }

  #expire(): void {
    for (let node = this.#nodes.expired(); node !== undefined; node = this.#nodes.expired()) {
      this.remove(node.nodeId);
    }
  }
}
