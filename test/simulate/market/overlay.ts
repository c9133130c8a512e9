import { VirtualClock } from '../../support/virtual-clock.ts';

/** Peers up to which a node connects to all that it hears of (`LEARNED_PEERS_MAX`). */
const CONNECTIONS = 32;
/** Of them, those that a node exchanges a topic's messages with: gossipsub's D. */
const MESH_DEGREE = 6;
/** Peers told of ids (IHAVE) in each heartbeat, and heartbeats in which an id is told: gossipsub's Dlazy, mcacheGossip. */
const LAZY_PEERS = 6;
const TOLD_HEARTBEATS = 3;
/** A message of this many bytes or more is refused of others once it came (IDONTWANT). */
const REFUSED_FROM_BYTES = 512;
/** Bytes beside the payload: author 38, sequence 8, signature 64, topic 22, tags and lengths of protobuf and frames. */
const MESSAGE_OVERHEAD = 150;
/** Bytes of a message id (public key and sequence) with its tag; alone in an RPC it has a frame around it. */
const ID_BYTES = 46;
const RPC_OVERHEAD = 12;
/** ms from receipt to forwarding: decoding, checking signature and schema. */
const VALIDATION_MS = 2;
/** One way, between any two nodes, in ms. */
const SHORTEST_MS = 2;
const LONGEST_MS = 100;

/** What one published message costs, all nodes together. */
export interface Flood {
  /** Times that the message was sent, first copies and others. */
  copies: number;
  refusals: number;
  /** ms until the last node had it. */
  reachedAllMs: number;
}

/** Who is connected to whom, and how gossipsub spreads one message there. A model: no gossipsub runs. */
export class Overlay {
  /** By node; the first `MESH_DEGREE` are its mesh. */
  readonly neighbours: readonly (readonly number[])[];
  readonly #random: () => number;

  constructor(nodes: number, random: () => number) {
    this.#random = random;
    this.neighbours = rings(nodes, Math.min(CONNECTIONS, nodes - 1), random);
  }

  /** Sends one message from a node to all. */
  flood(from: number, bytes: number): Flood {
    const clock = new VirtualClock();
    const nodes = this.neighbours.length;
    const has = new Uint8Array(nodes);
    const refused = Array.from({ length: nodes }, () => new Set<number>());
    const flood: Flood = { copies: 0, refusals: 0, reachedAllMs: 0 };
    const send = (sender: number, receiver: number): void => {
      if (refused[sender]?.has(receiver)) return;
      flood.copies++;
      clock.after(this.#latency(), () => receive(sender, receiver));
    };
    const receive = (sender: number, node: number): void => {
      if (has[node] === 1) return;
      has[node] = 1;
      flood.reachedAllMs = clock.monotonic();
      const mesh = this.#mesh(node).filter((peer) => peer !== sender);
      if (bytes >= REFUSED_FROM_BYTES) {
        for (const peer of mesh) {
          flood.refusals++;
          clock.after(this.#latency(), () => refused[peer]?.add(node));
        }
      }
      clock.after(VALIDATION_MS, () => {
        for (const peer of mesh) send(node, peer);
      });
    };
    has[from] = 1;
    // The author sends to all its peers (`floodPublish`).
    for (const peer of this.neighbours[from] ?? []) send(from, peer);
    while (clock.fire(Number.POSITIVE_INFINITY));
    if (has.includes(0)) throw new Error('The overlay is not connected');
    return flood;
  }

  /** Received by a node of one published message on average, in messages and bytes, ids included. */
  cost(
    samples: number,
    bytes: number,
  ): { messages: number; bytes: number; idBytes: number; reachedAllMs: number } {
    const nodes = this.neighbours.length;
    let copies = 0;
    let refusals = 0;
    let reachedAllMs = 0;
    for (let sample = 0; sample < samples; sample++) {
      const flood = this.flood(Math.floor(this.#random() * nodes), bytes);
      copies += flood.copies / samples / nodes;
      refusals += flood.refusals / samples / nodes;
      reachedAllMs = Math.max(reachedAllMs, flood.reachedAllMs);
    }
    const outside = (this.neighbours[0]?.length ?? 0) - MESH_DEGREE;
    const told = TOLD_HEARTBEATS * Math.max(0, Math.min(outside, LAZY_PEERS));
    const idBytes = told * ID_BYTES + refusals * (ID_BYTES + RPC_OVERHEAD);
    return { messages: copies, bytes: copies * (bytes + MESSAGE_OVERHEAD), idBytes, reachedAllMs };
  }

  #mesh(node: number): readonly number[] {
    return this.neighbours[node]?.slice(0, MESH_DEGREE) ?? [];
  }

  #latency(): number {
    return SHORTEST_MS + (LONGEST_MS - SHORTEST_MS) * this.#random();
  }
}

/** Neighbours on random rings through all nodes, two of each ring: connected, and everybody has the same number. */
function rings(nodes: number, degree: number, random: () => number): number[][] {
  const neighbours = Array.from({ length: nodes }, () => new Set<number>());
  const order = Array.from({ length: nodes }, (_, node) => node);
  for (let ring = 0; 2 * ring < degree; ring++) {
    for (let last = nodes - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
    }
    order.forEach((node, place) => {
      const next = order[(place + 1) % nodes] ?? 0;
      neighbours[node]?.add(next);
      neighbours[next]?.add(node);
    });
  }
  return neighbours.map((each) => [...each]);
}
