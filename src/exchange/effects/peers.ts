import type { Network } from '../../network/types.ts';

/** What an effect wants to know of a node. */
export interface PeerListener {
  connected?(): void;
  disconnected?(): void;
}

/** Tells effects about the nodes that they wait for. */
export class Peers {
  readonly #network: Pick<Network, 'on' | 'off' | 'isConnected'>;
  /** Bounded by the effects under way. */
  readonly #listeners = new Map<string, Set<PeerListener>>();
  /** By capsule id. */
  readonly #heartbeats = new Map<string, (from: string, epoch: number) => void>();

  constructor({ network }: { network: Pick<Network, 'on' | 'off' | 'isConnected'> }) {
    this.#network = network;
  }

  start(): void {
    this.#network.on('peer:connect', this.#onConnect);
    this.#network.on('peer:disconnect', this.#onDisconnect);
  }

  stop(): void {
    this.#network.off('peer:connect', this.#onConnect);
    this.#network.off('peer:disconnect', this.#onDisconnect);
  }

  isConnected(nodeId: string): boolean {
    return this.#network.isConnected(nodeId);
  }

  /** Returns the removal. */
  listen(nodeId: string, listener: PeerListener): () => void {
    const listeners = this.#listeners.get(nodeId) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(nodeId, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(nodeId) === listeners) this.#listeners.delete(nodeId);
    };
  }

  /** A sign of life about a capsule's run; one listener for each capsule. Returns the removal. */
  hear(capsuleId: string, listener: (from: string, epoch: number) => void): () => void {
    this.#heartbeats.set(capsuleId, listener);
    return () => {
      if (this.#heartbeats.get(capsuleId) === listener) this.#heartbeats.delete(capsuleId);
    };
  }

  heard(from: string, capsuleId: string, epoch: number): void {
    this.#heartbeats.get(capsuleId)?.(from, epoch);
  }

  readonly #onConnect = (nodeId: string): void => {
    for (const listener of [...(this.#listeners.get(nodeId) ?? [])]) listener.connected?.();
  };

  readonly #onDisconnect = (nodeId: string): void => {
    for (const listener of [...(this.#listeners.get(nodeId) ?? [])]) listener.disconnected?.();
  };
}
