import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';

export interface DiscoveryDialerComponents {
  log: Logger;
  clock: Clock;
  dial: (nodeId: string) => Promise<unknown>;
  isConnected: (nodeId: string) => boolean;
}

export interface DiscoveryDialerInit {
  /** This node's own id. */
  nodeId: string;
  /** Found nodes that may wait for their dial; the rest is found again later. */
  maxWaiting: number;
}

/** Of two nodes that find each other, the one with the larger id waits this long for the other to dial. */
const PATIENCE_MS = 2_000;

/** Dials nodes that were found or heard of. One side waits, so that two nodes make one connection and not two. */
export class DiscoveryDialer {
  readonly #components: DiscoveryDialerComponents;
  readonly #init: DiscoveryDialerInit;
  readonly #waiting = new Map<string, () => void>();

  constructor(components: DiscoveryDialerComponents, init: DiscoveryDialerInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Nodes waiting for their dial, or being dialled. */
  get waiting(): number {
    return this.#waiting.size;
  }

  readonly found = (nodeId: string): void => {
    if (nodeId === this.#init.nodeId || this.#components.isConnected(nodeId)) return;
    if (this.#waiting.has(nodeId) || this.#waiting.size >= this.#init.maxWaiting) return;
    const patienceMs = this.#init.nodeId < nodeId ? 0 : PATIENCE_MS;
    this.#waiting.set(
      nodeId,
      this.#components.clock.after(patienceMs, () => void this.#dial(nodeId)),
    );
  };

  stop(): void {
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  async #dial(nodeId: string): Promise<void> {
    const { dial, isConnected, log } = this.#components;
    try {
      if (!isConnected(nodeId)) await dial(nodeId);
    } catch (error) {
      log.debug({ err: error, peer: nodeId }, 'A node that was found does not answer');
    } finally {
      this.#waiting.delete(nodeId);
    }
  }
}
