import type { Connection } from '@libp2p/interface';
import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { NetworkEmitter } from './events.ts';
import { hostOf, isNear } from './hosts.ts';
import type { NetworkLimits } from './limits.ts';
import { ringOf } from './ring.ts';
import { RoundTrip } from './round-trip.ts';
import type { PeerInfo } from './types.ts';

export interface PeerTableComponents {
  log: Logger;
  clock: Clock;
  events: NetworkEmitter;
  /** Open connections to the peer. */
  connections: (nodeId: string) => Connection[];
  /** One round trip in milliseconds; rejects when it fails or `signal` aborts. */
  ping: (nodeId: string, signal: AbortSignal) => Promise<number>;
  /** Milliseconds in all that this process's event loop was not idle. */
  busyMs: () => number;
  /** Closes every connection to a peer that answers no more. */
  drop: (nodeId: string) => void;
}

interface Entry {
  connectedAt: number;
  roundTrip: RoundTrip;
  pings: number;
  failedPings: number;
  cancelPing: () => void;
}

/** The first pings follow each other closely, until the distance is known or this many were sent. */
const FIRST_PINGS = 8;
const FIRST_INTERVAL_MS = 250;
/** Pings in a row without an answer before a connection counts as dead. */
const MAX_FAILED_PINGS = 2;

/** Who is connected, and how near: pinged at once and then at an interval. Bounded by the connections. */
export class PeerTable {
  readonly #components: PeerTableComponents;
  readonly #limits: Pick<NetworkLimits, 'pingIntervalMs' | 'pingTimeoutMs'>;
  readonly #entries = new Map<string, Entry>();

  constructor(
    components: PeerTableComponents,
    limits: Pick<NetworkLimits, 'pingIntervalMs' | 'pingTimeoutMs'>,
  ) {
    this.#components = components;
    this.#limits = limits;
  }

  peers(): PeerInfo[] {
    return [...this.#entries.keys()].map((nodeId) => this.peer(nodeId)).filter((peer) => peer !== undefined);
  }

  peer(nodeId: string): PeerInfo | undefined {
    const entry = this.#entries.get(nodeId);
    if (entry === undefined) return undefined;
    const connections = this.#components.connections(nodeId);
    const { roundTrip, connectedAt } = entry;
    return {
      nodeId,
      addresses: connections.map(({ remoteAddr }) => remoteAddr.toString()),
      direction: connections[0]?.direction ?? 'outbound',
      roundTripMs: roundTrip.leastMs,
      ring: ringOf(
        roundTrip.isKnown ? roundTrip.leastMs : null,
        connections.some(({ remoteAddr }) => isNear(hostOf(remoteAddr))),
      ),
      connectedAt,
    };
  }

  get size(): number {
    return this.#entries.size;
  }

  has(nodeId: string): boolean {
    return this.#entries.has(nodeId);
  }

  connected(nodeId: string): void {
    if (this.#entries.has(nodeId)) return;
    const entry: Entry = {
      connectedAt: this.#components.clock.now(),
      roundTrip: new RoundTrip(),
      pings: 0,
      failedPings: 0,
      cancelPing: () => {},
    };
    this.#entries.set(nodeId, entry);
    this.#components.events.emit('peer:connect', nodeId);
    void this.#measure(nodeId, entry);
  }

  disconnected(nodeId: string): void {
    const entry = this.#entries.get(nodeId);
    if (entry === undefined) return;
    this.#entries.delete(nodeId);
    entry.cancelPing();
    this.#components.events.emit('peer:disconnect', nodeId);
  }

  clear(): void {
    for (const nodeId of [...this.#entries.keys()]) this.disconnected(nodeId);
  }

  async #measure(nodeId: string, entry: Entry): Promise<void> {
    const { clock, busyMs, ping, drop, events, log } = this.#components;
    const timeout = new AbortController();
    const release = clock.after(this.#limits.pingTimeoutMs, () => timeout.abort());
    entry.cancelPing = () => {
      release();
      timeout.abort();
    };
    try {
      const busyBefore = busyMs();
      entry.pings++;
      entry.roundTrip.add(await ping(nodeId, timeout.signal), busyMs() - busyBefore);
      entry.failedPings = 0;
    } catch (error) {
      if (this.#entries.get(nodeId) !== entry) return;
      entry.failedPings++;
      log.debug({ err: error, peer: nodeId, failedPings: entry.failedPings }, 'A ping failed');
    } finally {
      release();
    }
    if (this.#entries.get(nodeId) !== entry) return;
    if (entry.failedPings >= MAX_FAILED_PINGS) {
      drop(nodeId);
      return;
    }
    const soon = !entry.roundTrip.isKnown && entry.failedPings === 0 && entry.pings < FIRST_PINGS;
    const nextMs = soon ? FIRST_INTERVAL_MS : this.#limits.pingIntervalMs;
    entry.cancelPing = clock.after(nextMs, () => void this.#measure(nodeId, entry));
    const peer = this.peer(nodeId);
    if (peer !== undefined && entry.failedPings === 0) events.emit('peer:measured', peer);
  }
}
