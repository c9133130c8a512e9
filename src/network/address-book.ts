import type { PeerId, PeerStore } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { CODE_DNSADDR, CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { LRUCache } from 'lru-cache';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket } from './token-bucket.ts';

export interface AddressBookComponents {
  clock: Clock;
  /** What connections have shown. */
  proven: () => Pick<PeerStore, 'has' | 'get'>;
  /** Peers connected or being dialled. */
  peerCount: () => number;
  /** Dials the peer, in its turn. */
  found: (peer: { id: PeerId }) => void;
}

/** Peers up to which a node connects to all that it hears of; beyond, it dials whom it has work for. */
export const LEARNED_PEERS_MAX = 32;
/** Nodes whose claims are kept, longest unheard first to go: at 8 addresses each, some 10 MB. */
const KNOWN_MAX = 4_096;
/** Shortest time between two dials of a node that goes on advertising and does not answer. */
const RETRY_MS = 30_000;
/** Dials of learned nodes: invented ones must not make this node knock at doors without end. */
const DIAL_RATE = { perSecond: 2, burst: LEARNED_PEERS_MAX };

interface Claim {
  addresses: Multiaddr[];
  /** Monotonic milliseconds. */
  dialledAt: number;
}

/** Where nodes say that they can be dialled. A node's list replaces its former one. */
export class AddressBook {
  readonly #components: AddressBookComponents;
  readonly #claims = new LRUCache<string, Claim>({ max: KNOWN_MAX });
  readonly #rate: TokenBucket;

  constructor(components: AddressBookComponents) {
    this.#components = components;
    this.#rate = new TokenBucket(components, DIAL_RATE);
  }

  /** Keeps what can be used, and has the node dialled while few peers are connected. */
  learn(nodeId: string, addresses: readonly string[]): void {
    const { clock, peerCount, found } = this.#components;
    const dialledAt = this.#claims.get(nodeId)?.dialledAt ?? Number.NEGATIVE_INFINITY;
    const claim = { addresses: usable(nodeId, addresses), dialledAt };
    this.#claims.set(nodeId, claim);
    const now = clock.monotonic();
    if (claim.addresses.length === 0 || peerCount() >= LEARNED_PEERS_MAX) return;
    if (now - dialledAt < RETRY_MS || this.#rate.waitMs() > 0) return;
    claim.dialledAt = now;
    this.#rate.take(1);
    found({ id: peerIdFromString(nodeId) });
  }

  /** What to dial for a peer: proven addresses and claimed ones. */
  async targets(peer: PeerId): Promise<PeerId | Multiaddr[]> {
    const claimed = this.#claims.get(peer.toString())?.addresses ?? [];
    if (claimed.length === 0) return peer;
    const store = this.#components.proven();
    const proven = (await store.has(peer)) ? (await store.get(peer)).addresses : [];
    return [...proven.map(({ multiaddr }) => multiaddr.decapsulateCode(CODE_P2P)), ...claimed].map(
      (address) => address.encapsulate(`/p2p/${peer}`),
    );
  }
}

/** Without the peer id at their end. Addresses of another peer, and names that stand for a list, are left out. */
function usable(nodeId: string, addresses: readonly string[]): Multiaddr[] {
  return addresses
    .slice(0, LIMITS.addressesPerAdvertisement)
    .filter((address) => address.length <= LIMITS.addressChars)
    .map(parse)
    .filter((address) => address !== undefined)
    .filter((address) => {
      const parts = address.getComponents();
      return parts.every(
        ({ code, value }) => code !== CODE_DNSADDR && (code !== CODE_P2P || value === nodeId),
      );
    })
    .map((address) => address.decapsulateCode(CODE_P2P))
    .filter((address) => address.getComponents().length > 0);
}

function parse(address: string): Multiaddr | undefined {
  try {
    return multiaddr(address);
  } catch {
    return undefined;
  }
}
