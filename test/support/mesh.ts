import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { type EngineInit, MeshEngine } from '../../src/engine/engine.ts';
import { DEFAULT_EXCHANGE_INIT, type ExchangeInit } from '../../src/exchange/components.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import type { FaultPoint } from '../../src/exchange/fault-points.ts';
import type { CapsuleView, MeshEvent, SubmitOptions } from '../../src/exchange/types.ts';
import { DatabaseLedger } from '../../src/ledger/ledger.ts';
import { reconcile } from '../../src/ledger/reconcile.ts';
import type { LedgerEntry } from '../../src/ledger/types.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { Advertiser } from '../../src/market/advertiser.ts';
import { PeerHealthTracker } from '../../src/market/peer-health.ts';
import { ProviderTable } from '../../src/market/provider-table.ts';
import { createScheduler } from '../../src/market/scheduler.ts';
import { MemoryHub, type MemoryPacket, type PacketFate } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';
import { BufferedDatabase } from '../../src/store/buffered-database.ts';
import { DatabaseCapsuleStore } from '../../src/store/capsule-store.ts';
import type { Disk, Write } from '../../src/store/disk.ts';
import { MemoryDisk } from '../../src/store/memory-disk.ts';
import type { Database, ScanRange } from '../../src/store/types.ts';
import { silentLog } from './database.ts';
import { testModule } from './engine.ts';
import type { TestKey } from './keys.ts';
import { settle, VirtualClock } from './virtual-clock.ts';

/** Longest virtual time that `until` waits, and in which steps. */
const PATIENCE_MS = 120_000;
const STEP_MS = 50;

export interface NodeOptions {
  /**
   * Capability ids on offer, with their prices. All echo their payload, after `payload.ms` where that is there;
   * `work.fail` fails with `payload.code`, and `work.once` is not idempotent.
   */
  offers?: Record<string, number>;
  exchange?: Partial<ExchangeInit>;
  engine?: Partial<EngineInit>;
  /** Credits that an identity may owe it. */
  creditLimit?: number;
}

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
        const differences = reconcile(await node.bookWith(other), await other.bookWith(node));
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

/** Says that the node died here: nothing that runs of it afterwards has any effect. */
class Halt extends Error {}

/** One life of a node: what a crash takes away. */
interface Life {
  alive: boolean;
  /** Resolves when it crashed. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** Timers that have neither fired nor been cancelled. */
  timers: number;
  readonly db: Database;
  readonly network: MemoryNetwork;
  readonly engine: MeshEngine;
  readonly capsules: DatabaseCapsuleStore;
  readonly ledger: DatabaseLedger;
  readonly table: ProviderTable;
  readonly advertiser: Advertiser;
  readonly exchange: Exchange;
}

export class TestNode {
  readonly key: TestKey;
  readonly nodeId: string;
  readonly identity: string;
  /** Every event of every life, in order. */
  readonly events: MeshEvent[] = [];
  /** Every time that a capability's code began, in every life. */
  readonly runs: { capability: string; raw: string; payload: JsonObject }[] = [];
  readonly #mesh: Mesh;
  readonly #options: NodeOptions;
  #medium = new MemoryDisk();
  readonly #disk: DiskCondition = { broken: false, stalled: undefined };
  readonly #crashes = new Map<string, number>();
  #life: Life | undefined;
  #lives = 0;

  constructor(mesh: Mesh, key: TestKey, options: NodeOptions) {
    this.key = key;
    this.nodeId = key.nodeId;
    this.identity = key.identity;
    this.#mesh = mesh;
    this.#options = options;
  }

  /** For a person who reads why a test failed. */
  get name(): string {
    return `node ${this.#mesh.nodes.indexOf(this)}`;
  }

  get isAlive(): boolean {
    return this.#life?.alive === true;
  }

  get life(): Life {
    if (this.#life === undefined) throw new Error('The node is not running');
    return this.#life;
  }

  get exchange(): Exchange {
    return this.life.exchange;
  }

  get ledger(): DatabaseLedger {
    return this.life.ledger;
  }

  /** Begins a life on what earlier ones left on the disk. */
  async start(): Promise<void> {
    const life = this.#build();
    this.#life = life;
    await life.engine.start();
    await life.network.start();
    await life.exchange.start();
    await life.advertiser.start();
    await this.connect();
    await this.#mesh.settle();
  }

  async connect(): Promise<void> {
    for (const other of this.#mesh.nodes) {
      if (other === this || !other.isAlive || !this.isAlive) continue;
      await this.life.network.dial(`/p2p/${other.nodeId}`).catch(() => {
        // Kept apart.
      });
    }
  }

  /** Stops as an operator would. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined || !life.alive) return;
    let stopped = false;
    const stopping = (async () => {
      await life.advertiser.stop();
      await life.exchange.stop();
      await life.network.stop();
      await life.engine.stop();
      stopped = true;
    })();
    for (let ms = 0; !stopped && life.alive && ms < PATIENCE_MS; ms += STEP_MS) {
      await settle();
      if (!stopped) await this.#mesh.clock.advance(STEP_MS);
    }
    // It may die of it.
    await Promise.race([stopping, life.ended]);
    if (!life.alive) return;
    life.alive = false;
    await life.db.close();
  }

  /** Loses everything that is not on the disk, at once. */
  crash(): void {
    const life = this.#life;
    if (life === undefined || !life.alive) return;
    life.alive = false;
    life.end();
    void life.network.stop();
  }

  /** Lets nothing reach the disk until the result is called. */
  stallDisk(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#disk.stalled = promise;
    return () => {
      this.#disk.stalled = undefined;
      resolve();
    };
  }

  /** Every write fails from now on. */
  breakDisk(): void {
    this.#disk.broken = true;
  }

  /** A new disk in the old machine. */
  eraseDisk(): void {
    this.#medium = new MemoryDisk();
  }

  /** Begins the next life after a crash or a stop. */
  async restart(): Promise<void> {
    this.crash();
    await this.start();
  }

  /** Dies when it passes this point for the `occurrence`-th time from now on. */
  crashAt(point: FaultPoint, occurrence = 1): void {
    this.#crashes.set(point, occurrence);
  }

  async flushed(): Promise<void> {
    const stuck = this.#disk.broken || this.#disk.stalled !== undefined;
    if (this.isAlive && !stuck) await this.life.db.flushed();
  }

  /** Takes back every `crashAt`. */
  crashNowhere(): void {
    this.#crashes.clear();
  }

  /** As the node's own, and rejects where the node dies before it answers. */
  submit(capsule: unknown, options?: SubmitOptions): Promise<{ id: string }> {
    const died = this.life.ended.then(() => {
      throw new Halt('The node died');
    });
    return Promise.race([this.exchange.submit(capsule, options), died]);
  }

  /** A root capsule of this node's own for `work.echo`, unless told; a nonce makes it unlike any other. */
  capsule(options: Partial<CapsuleOptions> = {}): Capsule {
    const { signer } = this.key;
    const payload = { nonce: nonces++ };
    const defaults = { originIdentity: signer.identity, requestedCapability: 'work.echo', payload };
    return signCapsule(signer, nodeCrypto, createCapsule({ ...defaults, ...options }, this.#mesh.clock));
  }

  /** Submits a new capsule and moves time until it has ended. */
  async run(options: Partial<CapsuleOptions> = {}, submit?: SubmitOptions): Promise<CapsuleView> {
    const { id } = await this.submit(this.capsule(options), submit);
    return this.ended(id);
  }

  async ended(id: string): Promise<CapsuleView> {
    await this.#mesh.until(() => isEnd(this.status(id)), `the end of ${id}, which is ${this.status(id)}`);
    return this.view(id);
  }

  async workflowEnded(id: string): Promise<void> {
    await this.#mesh.until(() => {
      const record = this.record(id);
      const tree = record === undefined ? [] : this.tree(record.root);
      return tree.length > 0 && tree.every(isEnd);
    }, `the end of the workflow ${id}`);
  }

  async view(id: string): Promise<CapsuleView> {
    const view = await this.exchange.view(id);
    if (view === undefined) throw new Error(`No capsule ${id} here`);
    return view;
  }

  record(id: string) {
    return this.life.capsules.record(id);
  }

  result(id: string) {
    return this.life.capsules.result(id);
  }

  status(id: string): string {
    return this.record(id)?.status ?? 'unknown';
  }

  /** The statuses of a capsule and all that came of it. */
  tree(id: string): string[] {
    const steps = this.result(id)?.steps ?? [];
    return [this.status(id), ...steps.flatMap(({ child }) => (child === null ? [] : this.tree(child)))];
  }

  eventsOf(id: string): MeshEvent[] {
    return this.events.filter(({ capsuleId }) => capsuleId === id);
  }

  /** Micro-credits of an account in this node's book. */
  balance(of: { identity: string }): number {
    return this.ledger.balance(of.identity);
  }

  /** What this node's book says about itself and another. */
  async bookWith({ identity }: { identity: string }): Promise<LedgerEntry[]> {
    const entries = await this.ledger.entriesWith(identity, 0, 500);
    return entries.filter(({ debit, credit }) => debit === this.identity || credit === this.identity);
  }

  runsOf(id: string): number {
    return this.runs.filter(({ raw }) => raw === `capsule:${id}`).length;
  }

  #build(): Life {
    const { signer } = this.key;
    const clock: Clock = {
      now: () => this.#mesh.clock.now(),
      monotonic: () => this.#mesh.clock.monotonic(),
      after: (ms, callback) => this.#after(life, ms, callback),
    };
    const log = silentLog;
    const crypto = nodeCrypto;
    const db = new BufferedDatabase({
      disk: new MortalDisk(this.#medium, this.#disk, () => life.alive),
      log,
    });
    const capsules = new DatabaseCapsuleStore({ db, clock });
    const ledger = new DatabaseLedger(
      { db, crypto, clock },
      { creditLimit: this.#options.creditLimit ?? 1_000 },
    );
    const faults = { hit: (point: string) => this.#pass(life, point) };
    const engine = new MeshEngine(
      { db, crypto, signer, clock, log, faults },
      { modules: [this.#module()], grantedByDefault: () => true, drainMs: 0, ...this.#options.engine },
    );
    const network = new MemoryNetwork({ hub: this.#mesh.hub, log, clock }, { nodeId: this.nodeId });
    const table = new ProviderTable({ clock });
    const health = new PeerHealthTracker({ clock });
    const local = (capabilityId: string) => engine.offer(capabilityId);
    const scheduler = createScheduler({ table, local, health, nodeId: this.nodeId });
    const advertiser = new Advertiser(
      { network, offers: engine, table, clock, random: () => 0.5, log },
      { firstSequence: ++this.#lives * 1_000_000 },
    );
    const market = advertiser;
    const parts = { signer, crypto, clock, db, capsules, engine, scheduler, health, market, ledger, network };
    const exchange = new Exchange(
      { ...parts, faults, log },
      { ...DEFAULT_EXCHANGE_INIT, ...this.#options.exchange },
    );
    exchange.follow((event) => {
      if (life.alive) this.events.push(event);
    });
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const life: Life = { alive: true, ended, end, timers: 0, ...parts, table, advertiser, exchange };
    return life;
  }

  #after(life: Life, ms: number, callback: () => void): () => void {
    let pending = true;
    life.timers++;
    const done = (): boolean => {
      if (pending) life.timers--;
      const was = pending;
      pending = false;
      return was;
    };
    const cancel = this.#mesh.clock.after(ms, () => {
      if (done() && life.alive) callback();
    });
    return () => {
      done();
      cancel();
    };
  }

  #pass(life: Life, point: string): void {
    // Whatever still runs of a life that has ended goes no further.
    if (!life.alive) throw new Halt(point);
    const left = this.#crashes.get(point);
    if (left === undefined) return;
    this.#crashes.set(point, left - 1);
    if (left > 1) return;
    this.#crashes.delete(point);
    this.crash();
    throw new Halt(point);
  }

  #module() {
    const offers = Object.entries(this.#options.offers ?? {});
    const capabilities = offers.map(([id, price]) => ({
      id,
      price,
      intent: id,
      idempotent: id !== 'work.once',
      estimatedLatency: 0.01,
      maxConcurrent: 64,
    }));
    // A module must offer something.
    const idle = { id: `idle.${this.nodeId.slice(-8).toLowerCase()}`, intent: 'idle' };
    return testModule((intent, api) => this.#work(intent, api), {
      id: 'work',
      permissions: ['progress'],
      capabilities: capabilities.length > 0 ? capabilities : [idle],
    });
  }

  async #work({ capability, raw, payload }: Intent, api: CapabilityApi): Promise<JsonValue> {
    this.runs.push({ capability, raw, payload: { ...payload } });
    if (capability === 'work.fail') {
      throw Object.assign(new Error('It failed as it was asked to.'), { code: payload.code ?? 'internal' });
    }
    if (typeof payload.ms === 'number') await this.#wait(payload.ms, api);
    return { ...payload, by: this.identity };
  }

  #wait(ms: number, { signal, progress }: CapabilityApi): Promise<void> {
    progress({ stage: 'waiting' });
    return new Promise((resolve, reject) => {
      const cancel = this.#mesh.clock.after(ms, resolve);
      signal.addEventListener('abort', () => {
        cancel();
        reject(new Error('aborted'));
      });
    });
  }
}

let nonces = 0;

/** Bytes that stay when the node dies, behind a door that its death closes. */
class MortalDisk implements Disk {
  readonly #medium: MemoryDisk;
  readonly #alive: () => boolean;
  readonly #condition: DiskCondition;

  constructor(medium: MemoryDisk, condition: DiskCondition, alive: () => boolean) {
    this.#medium = medium;
    this.#condition = condition;
    this.#alive = alive;
  }

  get(key: string): string | undefined {
    return this.#medium.get(key);
  }

  async write(writes: Write[]): Promise<void> {
    await this.#condition.stalled;
    if (this.#condition.broken) throw new Error('The disk is broken');
    return this.#alive() ? this.#medium.write(writes) : new Promise(() => {});
  }

  iterate(range: ScanRange): AsyncIterable<[string, string]> {
    return this.#medium.iterate(range);
  }

  async close(): Promise<void> {}
}

interface DiskCondition {
  broken: boolean;
  /** Writes wait for it. */
  stalled: Promise<void> | undefined;
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

const isEnd = (status: string): boolean => status === 'completed' || status === 'failed';
