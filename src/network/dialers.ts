import type { Connection, PeerInfo as DiscoveredPeer, IdentifyResult } from '@libp2p/interface';
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { Logger } from 'pino';
import { abortError, throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { AddressBook } from './address-book.ts';
import { BootstrapDialer } from './bootstrap-dialer.ts';
import { DialPolicy } from './dial-policy.ts';
import { Dialer } from './dialer.ts';
import { DiscoveryDialer } from './discovery-dialer.ts';
import type { NetworkLimits } from './limits.ts';

/** Between two dials of whoever answers to this node's own id on the local network. */
const SELF_DIAL_MS = 600_000;

export interface DialersComponents {
  log: Logger;
  clock: Clock;
  /** Dials one address; rejects or throws where nobody answers. */
  connect: (address: Multiaddr, options: { signal?: AbortSignal }) => Promise<Connection>;
  /** Addresses that this node listens on or announces. */
  listening: () => Multiaddr[];
  isConnected: (nodeId: string) => boolean;
  peerCount: () => number;
}

export interface DialersInit {
  /** This node's own id. */
  nodeId: string;
  bootstrap: readonly string[];
  limits: Pick<NetworkLimits, 'maxConnections' | 'dialTimeoutMs'>;
}

/** All dialling: of nodes that the operator names, that are found or heard of, and that there is work for. */
export class Dialers {
  readonly #components: DialersComponents;
  readonly #bootstrap: BootstrapDialer;
  readonly #discovery: DiscoveryDialer;
  readonly #book: AddressBook;
  readonly #dialer: Dialer;
  readonly #nodeId: string;
  readonly #policy: DialPolicy;
  /** In monotonic milliseconds. */
  #nextSelfDial = 0;

  constructor(components: DialersComponents, { nodeId, bootstrap, limits }: DialersInit) {
    const { log, clock, connect, listening, isConnected, peerCount } = components;
    this.#components = components;
    this.#nodeId = nodeId;
    this.#policy = new DialPolicy({ clock, listening });
    this.#bootstrap = new BootstrapDialer(
      { log, clock, isConnected, dial: (address) => this.dialAddress(address) },
      { addresses: bootstrap },
    );
    this.#discovery = new DiscoveryDialer(
      { log, clock, isConnected, dial: (found) => this.dial(found) },
      { nodeId, maxWaiting: limits.maxConnections },
    );
    this.#book = new AddressBook({
      clock,
      policy: this.#policy,
      peerCount: () => peerCount() + this.#discovery.waiting,
      found: this.#discovery.found,
    });
    this.#dialer = new Dialer({ clock, connect, targets: (wanted) => this.#book.targets(wanted) }, limits);
  }

  start(): void {
    this.#bootstrap.start();
  }

  stop(): void {
    this.#bootstrap.stop();
    this.#discovery.stop();
    this.#dialer.stop();
  }

  /** Dials a node where it answered before, or says that it does; rejects with `unreachable`. */
  dial(nodeId: string): Promise<Connection> {
    return this.#dialer.dial(nodeId);
  }

  /** Dials whoever is at the address, and gives the node id; rejects with `unreachable`. */
  async dialAddress(address: string, options: { signal?: AbortSignal } = {}): Promise<string> {
    throwIfAborted(options.signal);
    try {
      const { remotePeer } = await this.#components.connect(this.#dialable(address), options);
      return remotePeer.toString();
    } catch (error) {
      if (options.signal?.aborted) throw abortError(options.signal);
      throw new MeshError('unreachable', `Nobody answers at ${address}.`, undefined, { cause: error });
    }
  }

  /** Where this node does not listen, another one with its id may: the handshake, which is refused, tells. */
  #meetSelf(addresses: readonly Multiaddr[]): void {
    const { clock, listening, log } = this.#components;
    const own = new Set(listening().map((each) => each.decapsulateCode(CODE_P2P).toString()));
    const [address] = addresses.filter((each) => !own.has(each.toString()) && this.#policy.allows(each));
    if (address === undefined || clock.monotonic() < this.#nextSelfDial) return;
    this.#nextSelfDial = clock.monotonic() + SELF_DIAL_MS;
    this.dialAddress(address.toString()).catch((error: unknown) =>
      log.debug({ err: error, address }, 'A node with the id of this one was dialled'),
    );
  }

  /** libp2p does not dial an address with this node's own id, where maybe another node with that id is. */
  #dialable(address: string): Multiaddr {
    const target = multiaddr(address);
    const named = target.getComponents().findLast(({ code }) => code === CODE_P2P)?.value;
    return named === this.#nodeId ? target.decapsulateCode(CODE_P2P) : target;
  }

  /** Whether this peer may answer at an address that is being dialled. */
  expects(address: Multiaddr, nodeId: string): boolean {
    return this.#dialer.expects(address, nodeId);
  }

  isBootstrap(nodeId: string): boolean {
    return this.#bootstrap.includes(nodeId);
  }

  /** Where a node says that it can be dialled; it is dialled while few peers are connected. */
  learn(nodeId: string, addresses: readonly string[]): void {
    this.#book.learn(nodeId, addresses);
  }

  /** For a node found on the local network. It says where by itself, so that is a claim like those of strangers. */
  readonly discovered = ({ id, multiaddrs }: DiscoveredPeer): void => {
    const nodeId = id.toString();
    if (nodeId === this.#nodeId) return this.#meetSelf(multiaddrs);
    if (!this.#components.isConnected(nodeId)) this.#book.claim(nodeId, multiaddrs.map(String));
    this.#discovery.found(nodeId);
  };

  /** For a connection that has opened. */
  opened({ direction, remotePeer, remoteAddr }: Connection): void {
    if (direction === 'outbound') this.#book.proved(remotePeer.toString(), remoteAddr);
  }

  /** For what a peer says of itself when it connects. */
  identified({ peerId, listenAddrs }: IdentifyResult): void {
    this.#book.claim(peerId.toString(), listenAddrs.map(String));
  }

  /** For a peer's last connection closing. */
  disconnected(nodeId: string): void {
    this.#bootstrap.disconnected(nodeId);
  }
}
