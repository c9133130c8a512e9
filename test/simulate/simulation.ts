import { nodeIdOf } from '../../src/capsule/identity.ts';
import { type Crypto, createSigner } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import type { TestKey } from '../support/keys.ts';
import { seededRandom } from '../support/random.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { Byzantine } from './byzantine.ts';
import { Faults } from './faults.ts';
import { type Run, Unfinished, type Violation, violationsOf } from './invariants.ts';
import { SimNode } from './sim-node.ts';
import { SparseHub } from './sparse-hub.ts';
import { standInCrypto, standInSigner } from './stand-in-crypto.ts';
import { during, pass, skewed } from './time.ts';
import { Trace } from './trace.ts';
import { Wire } from './wire.ts';
import { offersOf, Workload } from './workload.ts';

export interface SimulationInit {
  nodes: number;
  capsules: number;
  seed: number;
  /** Ed25519 in place of a stand-in. */
  realCrypto?: boolean;
  /** Capsules whose way is written down. */
  watch?: readonly string[];
}

export interface SimulationReport {
  seed: number;
  /** Of everything that was delivered, ran or crashed: the same for the same seed. */
  hash: string;
  accepted: number;
  refused: number;
  completed: number;
  failed: number;
  runs: number;
  packets: number;
  crashes: number;
  /** Virtual seconds. */
  seconds: number;
  violations: Violation[];
  trace: readonly string[];
}

/** Capsules submitted in a virtual second: few, or so many that all are submitted in the longest time. */
const SUBMITTED_PER_SECOND = 60;
const LONGEST_SUBMISSION_S = 120;
/** One node in so many is byzantine. */
const BYZANTINE_EVERY = 8;
/** From the last capsule to the end of all faults, and longest from there until all is quiet; virtual ms. */
const AFTERMATH_MS = 20_000;
const QUIET_MS = 600_000;
/** In which whatever waits ends once it is cancelled. */
const CANCELLED_MS = 120_000;
/** Beyond every delivery: nothing may be open then. */
const FOR_EVER_MS = 1_200_000;
const STEP_MS = 10_000;
/** Users without a node, whose capsules are submitted by nodes that they name. */
const USERS = 3;

/** Runs one seed to its end, and tells what must not be. */
export async function simulate(init: SimulationInit): Promise<SimulationReport> {
  const simulation = new Simulation(init);
  return simulation.run();
}

class Simulation {
  readonly #init: SimulationInit;
  readonly #perSecond: number;
  readonly #clock = new VirtualClock();
  readonly #hub = new SparseHub({ clock: this.#clock });
  readonly #random: () => number;
  readonly #crypto: Crypto;
  readonly #trace: Trace;
  readonly #wire: Wire;
  readonly #nodes: SimNode[] = [];
  readonly #byzantine: Byzantine[] = [];
  readonly #users: TestKey[];
  readonly #workload: Workload;
  readonly #unfinished = new Unfinished();
  readonly #accepted = new Map<string, SimNode>();
  readonly #signed = new Set<string>();
  readonly #runs = new Map<string, Run[]>();
  readonly #found: Violation[] = [];
  #refused = 0;

  constructor(init: SimulationInit) {
    this.#init = init;
    this.#perSecond = Math.max(SUBMITTED_PER_SECOND, init.capsules / LONGEST_SUBMISSION_S);
    this.#random = seededRandom(init.seed);
    const random = seededRandom(init.seed ^ 0xb17e5);
    this.#crypto = {
      ...(init.realCrypto === true ? nodeCrypto : standInCrypto),
      // Ids of sessions and the like, or no seed would happen again in the same way.
      randomBytes: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
    };
    this.#trace = new Trace(init.watch);
    this.#wire = new Wire({
      hub: this.#hub,
      clock: this.#clock,
      random: seededRandom(init.seed ^ 0x5eed),
      trace: this.#trace,
      nameOf: (nodeId) => this.#nameOf(nodeId),
    });
    this.#workload = new Workload({ random: this.#random, crypto: this.#crypto });
    this.#users = Array.from({ length: USERS }, (_, index) => this.#keyOf(1_000_000 + index));
    this.#populate();
  }

  async run(): Promise<SimulationReport> {
    const nodeIds = [...this.#nodes, ...this.#byzantine].map(({ nodeId }) => nodeId);
    this.#hub.place(nodeIds);
    for (const node of this.#nodes) await during(this.#clock, node.start(nodeIds));
    for (const byzantine of this.#byzantine) await during(this.#clock, byzantine.start());
    const parts = { clock: this.#clock, hub: this.#hub, wire: this.#wire, trace: this.#trace };
    const random = seededRandom(this.#init.seed ^ 0xfa17);
    const faults = new Faults({ ...parts, random, nodes: this.#nodes, nodeIds });
    await pass(this.#clock, 5_000);
    faults.start();
    this.#submitAll();
    await pass(this.#clock, (1_000 * this.#init.capsules) / this.#perSecond + AFTERMATH_MS);
    faults.stop();
    await during(this.#clock, faults.reconnect());
    await this.#untilQuiet();
    const record = { accepted: this.#accepted, signed: this.#signed, runs: this.#runs };
    const violations = [...this.#found, ...(await violationsOf(this.#nodes, record))];
    return this.#report(violations, faults.crashes);
  }

  #populate(): void {
    const { nodes, seed } = this.#init;
    const byzantine = Math.floor(nodes / BYZANTINE_EVERY);
    const honest: string[] = [];
    for (let number = 0; number < nodes - byzantine; number++) {
      const node = new SimNode({
        name: `node ${number}`,
        key: this.#keyOf(number),
        crypto: this.#crypto,
        clock: skewed(this.#clock, this.#random),
        hub: this.#hub,
        offers: offersOf(number),
        onRun: (at, { raw }) => this.#onRun(at, raw.replace('capsule:', '')),
      });
      this.#nodes.push(node);
      honest.push(node.nodeId);
    }
    for (let number = nodes - byzantine; number < nodes; number++) {
      const random = seededRandom(seed ^ (0xbad + number));
      const parts = { key: this.#keyOf(number), clock: skewed(this.#clock, this.#random), hub: this.#hub };
      this.#byzantine.push(new Byzantine({ ...parts, random, honest }));
    }
  }

  #submitAll(): void {
    const { capsules } = this.#init;
    for (let number = 0; number < capsules; number++) {
      this.#clock.after((1_000 * number) / this.#perSecond, () => this.#submitOne());
    }
  }

  #submitOne(): void {
    const lot = this.#random();
    const villain = this.#byzantine[Math.floor(this.#random() * this.#byzantine.length)];
    if (lot < 0.05 && villain !== undefined) {
      const capsule = this.#workload.capsule(villain.key, this.#clock);
      this.#signed.add(capsule.id);
      return villain.order(capsule);
    }
    const node = this.#nodes[Math.floor(this.#random() * this.#nodes.length)];
    const user = lot < 0.1 ? this.#users[Math.floor(this.#random() * USERS)] : undefined;
    if (node === undefined) return;
    const capsule = this.#workload.capsule(node.key, node.clock, user);
    const [again, cancelled, cancelAfterMs] = [
      this.#random() < 0.03,
      this.#random() < 0.06,
      this.#random() ** 2 * 5_000,
    ];
    this.#signed.add(capsule.id);
    if (!node.isAlive || node.isWaking) return;
    const submit = (): void => void this.#submit(node, capsule);
    submit();
    if (again) this.#clock.after(10, submit);
    if (cancelled) this.#clock.after(cancelAfterMs, () => this.#cancel(node, capsule.id));
  }

  async #submit(
    node: SimNode,
    capsule: Parameters<SimNode['life']['exchange']['submit']>[0] & { id: string },
  ) {
    const { life } = node;
    if (!life.alive) return;
    try {
      await life.exchange.submit(capsule);
      if (!life.alive) return;
      this.#say(capsule.id, `${node.name} accepts the submission: ${JSON.stringify(capsule).slice(0, 600)}`);
      this.#accepted.set(capsule.id, node);
      this.#unfinished.add(capsule.id, node);
    } catch {
      this.#refused++;
    }
  }

  #cancel(node: SimNode, id: string): void {
    if (!node.isAlive || node.isWaking) return;
    this.#say(id, `${node.name} is told to cancel`);
    node.life.exchange.cancel(id).catch(() => {
      // It has ended, or was never taken.
    });
  }

  #onRun(node: SimNode, id: string): void {
    const at = this.#clock.monotonic();
    this.#trace.note(at, node.nodeId, 'run', id);
    this.#say(id, `${node.name} RUNS it`);
    const runs = this.#runs.get(id) ?? [];
    runs.push({ node: node.name, life: node.lives, at });
    this.#runs.set(id, runs);
  }

  /** Until all has ended that does not wait for a reason; the rest is cancelled. Then for ever. */
  async #untilQuiet(): Promise<void> {
    const end = this.#clock.monotonic() + QUIET_MS;
    while (this.#clock.monotonic() < end && this.#stuck().length > 0) await pass(this.#clock, STEP_MS);
    for (const { id, node, state } of this.#stuck()) {
      const { status, life } = state ?? {};
      const how = `${status ?? 'unknown'}, ${JSON.stringify(life?.care?.phase ?? life?.work ?? null).slice(0, 200)}`;
      this.#found.push({
        capsuleId: id,
        sentence: `${node.name} has not ended it ${QUIET_MS / 1000} s after the last fault: ${how}`,
      });
    }
    for (const { id, node } of this.#unfinished.look()) this.#cancel(node, id);
    for (const node of this.#nodes) await during(this.#clock, node.life.advertiser.stop());
    for (const byzantine of this.#byzantine) byzantine.stop();
    await pass(this.#clock, CANCELLED_MS);
    for (const { id, node } of this.#unfinished.look())
      this.#found.push({
        capsuleId: id,
        sentence: `${node.name} has not ended it ${CANCELLED_MS / 1000} s after it was cancelled`,
      });
    await pass(this.#clock, FOR_EVER_MS);
  }

  /** What has not ended although nothing goes wrong any more, and does not wait for somebody who may come. */
  #stuck() {
    return [...this.#unfinished.look()].filter(({ state }) => {
      const phase = state?.life.care?.phase;
      if (state === undefined || phase === undefined) return true;
      if (phase.kind === 'waiting') return phase.until <= this.#clock.now();
      if (phase.kind !== 'elsewhere') return true;
      const coordinator = this.#nodes.find(({ nodeId }) => nodeId === state.coordinator);
      const theirs = coordinator?.state(state.id);
      // A byzantine one may say for ever that it is at it; of an honest one it is known.
      return coordinator !== undefined && theirs?.life.care?.phase.kind !== 'waiting';
    });
  }

  #report(violations: Violation[], crashes: number): SimulationReport {
    let [completed, failed, runs] = [0, 0, 0];
    for (const [id, node] of this.#accepted) {
      const status = node.state(id)?.status;
      if (status === 'completed') completed++;
      if (status === 'failed') failed++;
    }
    for (const times of this.#runs.values()) runs += times.length;
    return {
      seed: this.#init.seed,
      hash: this.#trace.digest(),
      accepted: this.#accepted.size,
      refused: this.#refused,
      completed,
      failed,
      runs,
      packets: this.#wire.packets,
      crashes,
      seconds: this.#clock.monotonic() / 1000 - FOR_EVER_MS / 1000,
      violations,
      trace: this.#trace.lines(),
    };
  }

  #keyOf(number: number): TestKey {
    const seed = Buffer.alloc(32);
    seed.writeUInt32BE(number + 1);
    const { realCrypto = false } = this.#init;
    const signer = realCrypto ? createSigner(nodeCrypto, seed) : standInSigner(seed);
    return { seed, signer, identity: signer.identity, nodeId: nodeIdOf(signer.identity) };
  }

  #nameOf(nodeId: string): string {
    const node = this.#nodes.find((each) => each.nodeId === nodeId);
    return node?.name ?? `byzantine ${this.#byzantine.findIndex((each) => each.nodeId === nodeId)}`;
  }

  #say(id: string, line: string): void {
    if (this.#trace.watches(id)) this.#trace.say(this.#clock.monotonic(), `${line} (${id.slice(0, 8)})`);
  }
}
