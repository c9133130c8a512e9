import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { compareBooks } from '../../src/ledger/reconcile.ts';
import { MemoryHub, type MemoryPacket, type PacketFate } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';
import { ownBook, pagesOf } from './compared-books.ts';
import { silentLog } from './database.ts';
import type { TestKey } from './keys.ts';
import { type NodeOptions, PATIENCE_MS, STEP_MS, TestNode } from './mesh-node.ts';
import { settle, VirtualClock } from './virtual-clock.ts';

export type { NodeOptions, TestNode };

/** Nodes of real parts in one process: memory in place of sockets and disks, one virtual clock for all. */
export class Mesh {
  readonly clock = new VirtualClock();
  readonly hub = new MemoryHub({ clock: this.clock });
  readonly nodes: TestNode[] = [];
  readonly #filters = new Set<(message: ExchangeMessage, packet: MemoryPacket) => PacketFate | undefined>();

  constructor() {
    this.hub.intercept((packet) => this.#fateOf(packet));
  }

  /** Starts a node and connects it to all others. */
  async add(key: TestKey, options: NodeOptions = {}): Promise<TestNode> {
    const node = new TestNode(this, key, options);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  /** A peer without a node behind it, which says what it is told to. */
  async stranger(key: TestKey): Promise<Stranger> {
    const network = new MemoryNetwork(
      { hub: this.hub, log: silentLog, clock: this.clock },
      { nodeId: key.nodeId },
    );
    await network.start();
    return new Stranger(this, key, network);
  }

  /** Decides about packets of the exchange; `undefined` leaves it to the others. Returns the removal. */
  filter(decide: (message: ExchangeMessage, packet: MemoryPacket) => PacketFate | undefined): () => void {
    this.#filters.add(decide);
    return () => void this.#filters.delete(decide);
  }

  /** Loses messages of one type, `count` of them or all. Returns the removal. */
  drop(
    type: ExchangeMessage['type'],
    options: { from?: TestNode; to?: TestNode; count?: number } = {},
  ): () => void {
    const { from, to, count = Number.POSITIVE_INFINITY } = options;
    let left = count;
    return this.filter((message, packet) => {
      if (message.type !== type || left <= 0) return undefined;
      if (from !== undefined && packet.from !== from.nodeId) return undefined;
      if (to !== undefined && packet.to !== to.nodeId) return undefined;
      left--;
      return 'drop';
    });
  }

  /** Takes back every filter and `drop`. */
  dropNothing(): void {
    this.#filters.clear();
  }

  /** Lets everything that is due now happen, syncs of disks included. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await settle();
      await Promise.all(this.nodes.map((node) => node.flushed()));
    }
  }

  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.clock.advance(ms);
    await this.settle();
  }

  /** Moves time until `holds`; throws where it never does. */
  async until(holds: () => boolean, what = 'the condition'): Promise<void> {
    const end = this.clock.monotonic() + PATIENCE_MS;
    for (;;) {
      await this.settle();
      if (holds()) return;
      if (this.clock.monotonic() >= end) throw new Error(`Waited ${PATIENCE_MS} ms in vain for ${what}`);
      await this.clock.advance(STEP_MS);
    }
  }

  /** Connects every two nodes that live and are not kept apart. */
  async connect(): Promise<void> {
    for (const node of this.nodes) await node.connect();
  }

  /** Ends a partition. */
  async heal(): Promise<void> {
    this.hub.heal();
    await this.connect();
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
  }

  /**
   * Everything that no history may break, as sentences: chains of receipts and books are whole, every two books agree,
   * and no capsule is paid to two nodes. Holds once everything is delivered.
   */
  async problems(): Promise<string[]> {
    const problems: string[] = [];
    const living = this.nodes.filter((node) => node.isAlive);
    for (const node of living) {
      const receipts = await node.life.engine.receipts.verify();
      for (const { problem } of receipts.problems) problems.push(`${node.name}: receipt: ${problem}`);
      const ledger = await node.ledger.verify();
      for (const problem of ledger.problems) problems.push(`${node.name}: ledger: ${problem}`);
      for (const other of living) {
        if (other.nodeId <= node.nodeId) continue;
        const [mine, theirs] = [await node.bookWith(other), await other.bookWith(node)];
        const { differences } = await compareBooks(ownBook(mine), pagesOf(theirs));
        for (const { kind, reference } of differences) {
          problems.push(`${node.name} and ${other.name}: ${kind}: ${reference}`);
        }
      }
    }
    const paid = new Set<string>();
    for (const node of living) {
      const book = await node.ledger.history({ limit: 500 });
      const references = new Set(book.items.map(({ reference }) => reference));
      for (const { reference, credit } of book.items) {
        const earned = reference.startsWith('capsule:') && credit === node.identity;
        if (!earned || references.has(reference.replace('capsule:', 'reversal:'))) continue;
        if (paid.has(reference)) problems.push(`${reference} was paid twice`);
        paid.add(reference);
      }
    }
    return problems;
  }

  #fateOf(packet: MemoryPacket): PacketFate {
    if (packet.topic !== null || this.#filters.size === 0) return 'deliver';
    const message: ExchangeMessage = JSON.parse(Buffer.from(packet.bytes).toString());
    for (const decide of this.#filters) {
      const fate = decide(message, packet);
      if (fate !== undefined) return fate;
    }
    return 'deliver';
  }
}

export class Stranger {
  readonly key: TestKey;
  readonly nodeId: string;
  readonly received: ExchangeMessage[] = [];
  readonly network: MemoryNetwork;
  readonly #mesh: Mesh;

  constructor(mesh: Mesh, key: TestKey, network: MemoryNetwork) {
    this.#mesh = mesh;
    this.key = key;
    this.nodeId = key.nodeId;
    this.network = network;
    network.onMessage((_from, message) => this.received.push(message));
  }

  /** Says it, and lets everything happen that it causes at once. */
  async say(to: TestNode, message: ExchangeMessage): Promise<void> {
    await this.network.send(to.nodeId, message);
    await this.#mesh.settle();
  }

  of<T extends ExchangeMessage['type']>(type: T): ExchangeMessageOf<T>[] {
    const isOf = (message: ExchangeMessage): message is ExchangeMessage & { type: T } =>
      message.type === type;
    return this.received.filter(isOf) as ExchangeMessageOf<T>[];
  }
}
