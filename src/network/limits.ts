import { LIMITS } from '../../protocols/common/v1/limits.ts';

/** Bounds of everything the network holds or accepts; units are in the names. */
export interface NetworkLimits {
  /** Longest frame sent or accepted. */
  frameBytes: number;
  /** Longest gossip message sent or accepted; a full advertisement of 256 offers fits. */
  gossipBytes: number;
  /** Frames waiting for one peer; above it `send` rejects with `busy`. */
  sendQueueFrames: number;
  /** Bytes waiting for one peer; at least one frame of the largest size always fits. */
  sendQueueBytes: number;
  /** Frames a peer may send in a second; above it, and after a burst of `rateBurstSeconds`, its stream is paused. */
  framesPerSecond: number;
  bytesPerSecond: number;
  /** Gossip messages one author may publish in a second; more are ignored. */
  gossipPerSecond: number;
  /** Gossip messages one peer may forward in a second, of all authors; more are dropped unread. */
  forwardedPerSecond: number;
  rateBurstSeconds: number;
  /** Messages a peer may send of one kind, in place of those in `budgets.ts`. */
  kindBudgets: Readonly<Record<string, { perSecond: number; burst: number }>>;
  /** Bytes of all frames that peers have begun and not finished, or that wait for their turn, together. */
  partialFrameBytes: number;
  /** Messages of one peer whose handling has not ended; above it no more are read from that peer. */
  handlingPerPeer: number;
  maxConnections: number;
  /** Connections that one public host may hold; several nodes may share an address. */
  maxPerHost: number;
  /** The same for this machine and each host of a private network, which may run many nodes. */
  maxPerNearHost: number;
  /** How long a stranger keeps the place it got, before a newcomer may take it. */
  tenureMs: number;
  /** New connections per second from one public host; ten times as many from a near one. */
  inboundConnectionsPerSecond: number;
  /** How long a peer that sent garbage is refused. */
  refusalMs: number;
  dialTimeoutMs: number;
  /** Longest wait for a connected peer that takes no messages yet, such as one that is starting. */
  readyTimeoutMs: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** Longest that a stop waits for connections to close. */
  stopTimeoutMs: number;
}

/** Generous: an honest peer that reaches a rate is slowed down by it, and loses nothing. */
export const DEFAULT_NETWORK_LIMITS: NetworkLimits = {
  frameBytes: LIMITS.frameBytes,
  gossipBytes: 65_536,
  sendQueueFrames: 4_096,
  sendQueueBytes: 4 * LIMITS.frameBytes,
  framesPerSecond: 20_000,
  bytesPerSecond: 67_108_864,
  gossipPerSecond: 50,
  forwardedPerSecond: 200,
  rateBurstSeconds: 2,
  kindBudgets: {},
  partialFrameBytes: 16 * LIMITS.frameBytes,
  handlingPerPeer: 1_024,
  maxConnections: 300,
  maxPerHost: 32,
  maxPerNearHost: 192,
  tenureMs: 10_000,
  inboundConnectionsPerSecond: 50,
  refusalMs: 60_000,
  dialTimeoutMs: 10_000,
  readyTimeoutMs: 5_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 10_000,
  stopTimeoutMs: 3_000,
};
