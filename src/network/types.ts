import type { Ring } from '../../protocols/common/v1/schema.ts';
import type { ExchangeMessage, GossipMessage, SessionNote } from '../../protocols/messages/v1/schema.ts';
import type { Startable } from '../lib/lifecycle.ts';

export interface PeerInfo {
  nodeId: string;
  addresses: string[];
  direction: 'inbound' | 'outbound';
  /** Milliseconds, the least of the last pings; null before the first. */
  roundTripMs: number | null;
  /**
   * By measurement and address: ring1 same machine, private network or <= 10 ms; ring2 <= 80 ms; else global, also
   * before there are enough measurements.
   */
  ring: Exclude<Ring, 'local'>;
  connectedAt: number;
}

/**
 * May return a promise: what that rejects with is logged and counted, and a peer has only so many of its messages in
 * handling (`handlingPerPeer`).
 */
export type MessageHandler = (from: string, message: ExchangeMessage) => void;

export type GossipVerdict = 'accept' | 'ignore' | 'reject';

/** `from` is the author, `deliverer` the peer that passed it on. */
export interface GossipSubscription {
  /** Runs before a message is forwarded; its verdict scores the deliverer. */
  validate: (from: string, message: GossipMessage, deliverer: string) => GossipVerdict;
  /** Runs for what was accepted. */
  handle: (from: string, message: GossipMessage, deliverer: string) => void;
}

export interface NetworkEvents {
  'peer:connect': [nodeId: string];
  /** The last connection to the peer closed. */
  'peer:disconnect': [nodeId: string];
  /** The peer answered a ping. Its distance may still be unknown, and its ring said by its address alone. */
  'peer:measured': [peer: PeerInfo];
  /** A peer shows what was signed under this node's name, maybe by this node itself. */
  'session:shown': [note: SessionNote, from: string];
  /** A handshake with another node was refused, since that has this node's own key. */
  'self:met': [];
}

/**
 * What the parts above ask of the network. Everything handed up has passed the one schema; everything handed
 * down is bounded. Implementations: libp2p, and in memory for tests; one conformance suite runs on both.
 */
export interface Network extends Startable {
  readonly nodeId: string;
  /** Dialable addresses with the peer id, once started. */
  addresses(): string[];
  peers(): PeerInfo[];
  peer(nodeId: string): PeerInfo | undefined;
  isConnected(nodeId: string): boolean;
  /** Dials a multiaddr (with or without peer id); rejects with `unreachable`. Gives the node id. */
  dial(address: string, options?: { signal?: AbortSignal }): Promise<string>;
  /**
   * Remembers where a node says it can be dialled, in place of what it said before, and connects to it while few
   * peers are connected. What is no address, or one of another node, is left out.
   */
  learn(nodeId: string, addresses: readonly string[]): void;
  /**
   * The peer did useful work, or may do some: it keeps its place where strangers must make room, and is welcome where
   * they are refused. Bounded: the least recently favoured of too many are strangers again.
   */
  favour(nodeId: string): void;
  /**
   * Sends on the long-lived exchange stream, dialling when needed; resolves when handed to the transport, and what is
   * lost afterwards shows by `peer:disconnect`. Rejects with `unreachable` (no stream could be opened: certainly not
   * delivered), `interrupted` (the connection broke while it was handed over: it may have arrived), `busy` (send queue
   * full) or `too_large`. Frames of one tick share one write.
   */
  send(to: string, message: ExchangeMessage, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * One handler, a later one in place of the former; called in order of arrival for each peer, without waiting for
   * what it returns. Before it is registered and after its removal (the result) no message is taken: who sends meanwhile
   * waits up to `readyTimeoutMs` for it, and is `unreachable` then.
   */
  onMessage(handler: MessageHandler): () => void;
  subscribe(
    topic: string,
    validate: GossipSubscription['validate'],
    handle: GossipSubscription['handle'],
  ): void;
  unsubscribe(topic: string): void;
  publish(topic: string, message: GossipMessage): Promise<void>;
  /** Shows it what was signed under its name, on every connection: two nodes may go by it. Nothing where that fails. */
  showSessions(nodeId: string, notes: readonly SessionNote[]): void;
  /** How many peers are known to listen on the topic. */
  subscribers(topic: string): number;
  on<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void;
  off<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void;
}
