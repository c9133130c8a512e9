import type { ExchangeMessage, GossipMessage } from '../../../protocols/messages/v1/schema.ts';
import type { AdvertiserComponents } from '../../../src/market/advertiser.ts';
import { encodeMessage } from '../../../src/network/codec.ts';
import { DEFAULT_NETWORK_LIMITS } from '../../../src/network/limits.ts';
import type { GossipVerdict, PeerInfo } from '../../../src/network/types.ts';

/** Bytes of a frame's length and its stream's header, beside the message. */
const FRAME_OVERHEAD = 16;

type AdvertiserNetwork = AdvertiserComponents['network'];

export interface Traffic {
  published: number;
  publishedBytes: number;
  direct: number;
  directBytes: number;
}

/** What an advertiser sees of a network whose messages are counted, and given to few. */
export class ModelNetwork implements AdvertiserNetwork {
  readonly nodeId: string;
  readonly #peers: PeerInfo[];
  readonly #traffic: Traffic;
  #heard = 0;
  readonly #listeners: ((from: string, message: GossipMessage) => void)[];
  #validate: (from: string, message: GossipMessage, deliverer: string) => GossipVerdict = () => 'ignore';
  #handle: (from: string, message: GossipMessage, deliverer: string) => void = () => {};

  /** `heard` are those that gossip reaches; all share it. */
  constructor(
    nodeId: string,
    peers: readonly string[],
    at: { connectedAt: number; traffic: Traffic; heard: ((from: string, message: GossipMessage) => void)[] },
  ) {
    this.nodeId = nodeId;
    this.#peers = peers.map((peer) => ({
      nodeId: peer,
      addresses: [],
      direction: 'outbound',
      roundTripMs: 100,
      ring: 'global',
      connectedAt: at.connectedAt,
    }));
    this.#traffic = at.traffic;
    this.#listeners = at.heard;
  }

  addresses(): string[] {
    return [`/ip4/203.0.113.7/tcp/4001/p2p/${this.nodeId}`, `/ip4/192.168.1.7/tcp/4001/p2p/${this.nodeId}`];
  }

  peers(): PeerInfo[] {
    return this.#peers;
  }

  showSessions(): void {}

  /** Everybody is as far as a node that was never met: the worst case for crowding. */
  peer(): undefined {
    return undefined;
  }

  isConnected(): boolean {
    return true;
  }

  learn(): void {}

  async send(_to: string, message: ExchangeMessage): Promise<void> {
    this.#traffic.direct++;
    this.#traffic.directBytes += this.#size(message) + FRAME_OVERHEAD;
  }

  subscribe(
    _topic: string,
    validate: (from: string, message: GossipMessage, deliverer: string) => GossipVerdict,
    handle: (from: string, message: GossipMessage, deliverer: string) => void,
  ): void {
    this.#validate = validate;
    this.#handle = handle;
  }

  unsubscribe(): void {}

  async publish(_topic: string, message: GossipMessage): Promise<void> {
    this.#traffic.published++;
    this.#traffic.publishedBytes += this.#size(message);
    for (const hear of this.#listeners) hear(this.nodeId, message);
  }

  readonly hear = (from: string, message: GossipMessage): void => {
    // Messages come by all peers alike, so that no limit for one forwarder is met.
    const { nodeId: deliverer } = this.#peers[this.#heard++ % this.#peers.length] ?? { nodeId: from };
    if (this.#validate(from, message, deliverer) === 'accept') this.#handle(from, message, deliverer);
  };

  on(): void {}

  off(): void {}

  #size(message: ExchangeMessage | GossipMessage): number {
    return encodeMessage(message, DEFAULT_NETWORK_LIMITS.gossipBytes).length;
  }
}
