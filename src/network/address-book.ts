import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { LRUCache } from 'lru-cache';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Clock } from '../lib/clock.ts';
import type { DialPolicy } from './dial-policy.ts';

export interface AddressBookComponents {
  clock: Clock;
  policy: Pick<DialPolicy, 'allows' | 'take' | 'hasRoom'>;
  /** Peers connected or being dialled. */
  peerCount: () => number;
  /** Dials the peer, in its turn. */
  found: (nodeId: string) => void;
}

/** Peers up to which a node connects to all that it hears of; beyond, it dials whom it has work for. */
export const LEARNED_PEERS_MAX = 32;
/** Nodes whose addresses are kept, longest unheard first to go: at 8 addresses each, some 10 MB. */
const KNOWN_MAX = 4_096;
/** Addresses kept at which a node has answered, newest first. */
const PROVEN_PER_NODE = 4;
/** Shortest time between two dials of a node that goes on advertising and does not answer. */
const RETRY_MS = 30_000;

interface Claim {
  addresses: Multiaddr[];
  /** Monotonic milliseconds. */
  dialledAt: number;
}

/** Where nodes have answered, and where they say that they can be dialled: by gossip, by identify, on the local network. */
export class AddressBook {
  readonly #components: AddressBookComponents;
  readonly #claims = new LRUCache<string, Claim>({ max: KNOWN_MAX });
  readonly #proven = new LRUCache<string, Multiaddr[]>({ max: KNOWN_MAX });

  constructor(components: AddressBookComponents) {
    this.#components = components;
  }

  /** Keeps what can be used, in place of what the node said before. */
  claim(nodeId: string, addresses: readonly string[]): void {
    const dialledAt = this.#claims.get(nodeId)?.dialledAt ?? Number.NEGATIVE_INFINITY;
    this.#claims.set(nodeId, { addresses: this.#usable(nodeId, addresses), dialledAt });
  }

  /** The same, and has the node dialled while few peers are connected. */
  learn(nodeId: string, addresses: readonly string[]): void {
    this.claim(nodeId, addresses);
    const { clock, policy, peerCount, found } = this.#components;
    const claim = this.#claims.get(nodeId);
    const now = clock.monotonic();
    if (claim === undefined || claim.addresses.length === 0 || peerCount() >= LEARNED_PEERS_MAX) return;
    if (now - claim.dialledAt < RETRY_MS || !policy.hasRoom) return;
    claim.dialledAt = now;
    found(nodeId);
  }

  /** The node answered there, and proved that it is the one. */
  proved(nodeId: string, address: Multiaddr): void {
    const bare = address.decapsulateCode(CODE_P2P);
    const before = (this.#proven.get(nodeId) ?? []).filter((known) => !known.equals(bare));
    this.#proven.set(nodeId, [bare, ...before].slice(0, PROVEN_PER_NODE));
  }

  /** What to dial for a node now: where it answered before, then what it claims, as far as the policy goes. */
  targets(nodeId: string): Multiaddr[] {
    const proven = this.#proven.get(nodeId) ?? [];
    const claimed = (this.#claims.get(nodeId)?.addresses ?? []).filter(
      (address) =>
        !proven.some((known) => known.equals(address)) && this.#components.policy.take(nodeId, address),
    );
    return [...proven, ...claimed];
  }

  /** Without the peer id at their end. */
  #usable(nodeId: string, addresses: readonly string[]): Multiaddr[] {
    return addresses
      .slice(0, LIMITS.addressesPerAdvertisement)
      .filter((address) => address.length <= LIMITS.addressChars)
      .map(parse)
      .filter((address) => address !== undefined)
      .filter((address) => {
        const ids = address.getComponents().filter(({ code }) => code === CODE_P2P);
        return ids.every(({ value }) => value === nodeId) && this.#components.policy.allows(address);
      })
      .map((address) => address.decapsulateCode(CODE_P2P));
  }
}

function parse(address: string): Multiaddr | undefined {
  try {
    return multiaddr(address);
  } catch {
    return undefined;
  }
}
