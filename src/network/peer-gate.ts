import type { ConnectionGater, PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { ConnectionShares } from './connection-shares.ts';

export interface PeerGateComponents {
  clock: Clock;
  shares: ConnectionShares;
  /** Whether this is the peer that was to be found at an address which is being dialled. */
  expects: (address: Multiaddr, nodeId: string) => boolean;
}

export interface PeerGateInit {
  /** When not empty, the only node ids that may connect or be dialled. */
  allow: readonly string[];
  deny: readonly string[];
  refusalMs: number;
}

/** Peers refused for a while that are remembered. */
const REFUSED_MAX = 4_096;

/** Decides who may connect, by node id: lists of the operator, and peers refused for a while. */
export class PeerGate {
  readonly #clock: Clock;
  readonly #shares: ConnectionShares;
  readonly #expects: PeerGateComponents['expects'];
  readonly #allow: ReadonlySet<string>;
  readonly #deny: ReadonlySet<string>;
  readonly #refusalMs: number;
  /** Until when, on the monotonic clock. */
  readonly #refused = new LRUCache<string, number>({ max: REFUSED_MAX });

  constructor(components: PeerGateComponents, init: PeerGateInit) {
    this.#clock = components.clock;
    this.#shares = components.shares;
    this.#expects = components.expects;
    this.#allow = new Set(init.allow);
    this.#deny = new Set(init.deny);
    this.#refusalMs = init.refusalMs;
  }

  refuse(nodeId: string): void {
    this.#refused.set(nodeId, this.#clock.monotonic() + this.#refusalMs);
  }

  admits(nodeId: string): boolean {
    if (this.#deny.has(nodeId)) return false;
    if (this.#allow.size > 0 && !this.#allow.has(nodeId)) return false;
    return (this.#refused.get(nodeId) ?? Number.NEGATIVE_INFINITY) <= this.#clock.monotonic();
  }

  /** Asked before a dial, before a handshake, and again when the other end has proven who it is. */
  readonly gater: ConnectionGater = {
    denyDialPeer: (peer) => this.#denies(peer),
    denyInboundConnection: (transport) => !this.#shares.admitsHandshake(transport),
    denyInboundEncryptedConnection: (peer) => this.#denies(peer),
    denyOutboundEncryptedConnection: (peer, { remoteAddr }) =>
      this.#denies(peer) || !this.#expects(remoteAddr, peer.toString()),
    denyInboundUpgradedConnection: (peer, transport) =>
      !this.#shares.admits(peer.toString(), transport, 'inbound'),
    denyOutboundUpgradedConnection: (peer, transport) =>
      !this.#shares.admits(peer.toString(), transport, 'outbound'),
  };

  #denies(peer: PeerId): boolean {
    return !this.admits(peer.toString());
  }
}
