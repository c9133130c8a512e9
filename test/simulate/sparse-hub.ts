import { type HubPort, MemoryHub } from '../../src/network/memory-hub.ts';

/** Steps on the ring of all nodes to those that a node passes gossip on to, in both directions. */
const STEPS = [1, 2, 5, 11];

/** A hub on which gossip goes to few peers of each node, as in gossipsub, and from there on. */
export class SparseHub extends MemoryHub {
  readonly #ports = new Map<string, HubPort>();
  readonly #peers = new Map<string, readonly string[]>();

  /** All nodes there will be. */
  place(nodeIds: readonly string[]): void {
    nodeIds.forEach((nodeId, place) => {
      const places = STEPS.flatMap((step) => [place + step, place - step + 12 * nodeIds.length]);
      const peers = new Set(places.map((each) => nodeIds[each % nodeIds.length] ?? nodeId));
      peers.delete(nodeId);
      this.#peers.set(nodeId, [...peers]);
    });
  }

  override join(node: string, port: HubPort): void {
    this.#ports.set(node, port);
    super.join(node, port);
  }

  override subscribers(node: string, topic: string): string[] {
    const peers = this.#peers.get(node) ?? [];
    return peers.filter(
      (peer) => this.linked(node, peer) && this.#ports.get(peer)?.subscribes(topic) === true,
    );
  }
}
