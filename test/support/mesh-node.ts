import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { EngineInit } from '../../src/engine/engine.ts';
import type { ExchangeInit } from '../../src/exchange/components.ts';
import type { Exchange } from '../../src/exchange/exchange.ts';
import type { FaultPoint } from '../../src/exchange/fault-points.ts';
import type { CapsuleView, MeshEvent, SubmitOptions } from '../../src/exchange/types.ts';
import type { DatabaseLedger } from '../../src/ledger/ledger.ts';
import type { LedgerEntry } from '../../src/ledger/types.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import type { MemoryHub } from '../../src/network/memory-hub.ts';
import { keyspace } from '../../src/store/keyspaces.ts';
import { MemoryDisk } from '../../src/store/memory-disk.ts';
import { Workflows } from '../../src/workflow/tree.ts';
import type { TestKey } from './keys.ts';
import { beginLife, crash, dial, type Life, type OwnWork, startLife, type WorkRun } from './mesh-life.ts';
import type { DiskCondition } from './mortal-disk.ts';
import { settle, type VirtualClock } from './virtual-clock.ts';

/** Longest virtual time that a wait may take, and in which steps it passes. */
export const PATIENCE_MS = 120_000;
export const STEP_MS = 50;

export interface NodeOptions {
  /**
   * Capability ids on offer, with their prices. All echo their payload, after `payload.ms` where that is there;
   * `work.fail` fails with `payload.code`, and `work.once` is not idempotent.
   */
  offers?: Record<string, number>;
  /** What its capabilities do instead; `undefined` leaves it to them. */
  work?: OwnWork;
  exchange?: Partial<ExchangeInit>;
  engine?: Partial<EngineInit>;
  /** Credits that an identity may owe it. */
  creditLimit?: number;
  /** Whom it does not know. */
  strangers?: readonly TestKey[];
}

/** What a node sees of the mesh that it is in. */
export interface Surroundings {
  readonly clock: VirtualClock;
  readonly hub: MemoryHub;
  readonly nodes: readonly TestNode[];
  settle(): Promise<void>;
  until(holds: () => boolean, what?: string): Promise<void>;
}

export class TestNode {
  readonly key: TestKey;
  readonly nodeId: string;
  readonly identity: string;
  /** Every event of every life, in order. */
  readonly events: MeshEvent[] = [];
  /** Every time that a capability's code began, in every life. */
  readonly runs: WorkRun[] = [];
  readonly #mesh: Surroundings;
  readonly #options: NodeOptions;
  #medium = new MemoryDisk();
  readonly #disk: DiskCondition = { broken: false, stalled: undefined };
  readonly #crashes = new Map<string, number>();
  #life: Life | undefined;
  #lives = 0;
  #nonce = 0;

  constructor(mesh: Surroundings, key: TestKey, options: NodeOptions) {
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

  get workflows(): Workflows {
    return new Workflows(this.life);
  }

  get ledger(): DatabaseLedger {
    return this.life.ledger;
  }

  /** Begins a life on what earlier ones left on the disk. */
  async start(): Promise<void> {
    const life = await this.#begin();
    this.#life = life;
    await startLife(life);
    await this.connect();
    await this.#mesh.settle();
  }

  async connect(): Promise<void> {
    const living = this.#mesh.nodes.flatMap(({ isAlive, nodeId }) => (isAlive ? nodeId : []));
    await dial(this.life, living);
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
    if (this.#life !== undefined) crash(this.#life);
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

  /** Stalls the disk with as much behind it as it takes, until the result is called. */
  async fillDisk(): Promise<() => void> {
    const release = this.stallDisk();
    const { db } = this.life;
    for (let n = 0; db.hasRoom; n++) {
      const tx = db.transaction();
      tx.put(keyspace('stateDigests'), `fill:${n}`, 'x'.repeat(32 * 1_048_576));
      void tx.commit();
      await settle();
    }
    return release;
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
      throw new Error('The node died');
    });
    return Promise.race([this.exchange.submit(capsule, options), died]);
  }

  /** A root capsule of this node's own for `work.echo`, unless told; a nonce makes it unlike any other. */
  capsule(options: Partial<CapsuleOptions> = {}): Capsule {
    const { signer } = this.key;
    const payload = { nonce: this.#nonce++ };
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
    return this.life.capsules.row(id);
  }

  result(id: string) {
    return this.life.capsules.result(id);
  }

  status(id: string): string {
    return this.record(id)?.status ?? 'unknown';
  }

  /** The statuses of a capsule and all that came of it. */
  tree(id: string): string[] {
    const steps = this.record(id)?.steps ?? [];
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

  #begin(): Promise<Life> {
    const { clock, hub } = this.#mesh;
    const {
      offers = {},
      exchange = {},
      engine = {},
      creditLimit = 1_000,
      strangers = [],
      work,
    } = this.#options;
    return beginLife({
      key: this.key,
      clock,
      hub,
      disk: { medium: this.#medium, condition: this.#disk },
      offers,
      work,
      exchange,
      engine,
      creditLimit,
      strangers: new Set(strangers.map(({ identity }) => identity)),
      number: ++this.#lives,
      pass: (life, point) => this.#pass(life, point),
      onEvent: (event) => this.events.push(event),
      onRun: (run) => this.runs.push(run),
    });
  }

  /** Whatever still runs of a life that has ended reaches neither disk, network, timers nor followers. */
  #pass(life: Life, point: string): void {
    const left = this.#crashes.get(point);
    if (left === undefined || !life.alive) return;
    this.#crashes.set(point, left - 1);
    if (left > 1) return;
    this.#crashes.delete(point);
    this.crash();
  }
}

const isEnd = (status: string): boolean => status === 'completed' || status === 'failed';
