import type { MemoryHub } from '../../src/network/memory-hub.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';
import type { SimNode } from './sim-node.ts';
import type { Trace } from './trace.ts';
import { CLEAR, type Weather, Wire } from './wire.ts';

/** Mean ms between two faults of a kind; of crashes for each node. */
const CRASH_EVERY_MS = 60_000;
const PARTITION_EVERY_MS = 60_000;
const MUTE_EVERY_MS = 30_000;
const CUT_EVERY_MS = 5_000;
const STORM_EVERY_MS = 45_000;
/** Longest that one lasts. */
const DOWN_MS = 40_000;
const PARTED_MS = 40_000;
const MUTED_MS = 40_000;
const STORM_MS = 20_000;
/** Directions that fall silent together. */
const MUTED_AT_ONCE = 8;
const USUAL: Weather = { lost: 0.001, doubled: 0.002, unordered: 0.01, slow: 0.005 };
const STORM: Weather = { lost: 0.05, doubled: 0.05, unordered: 0.2, slow: 0.1 };

interface FaultParts {
  clock: VirtualClock;
  hub: MemoryHub;
  wire: Wire;
  random: () => number;
  nodes: readonly SimNode[];
  /** All, the byzantine included. */
  nodeIds: readonly string[];
  trace: Trace;
}

/** Everything that goes wrong by itself, from `start` until `stop`. */
export class Faults {
  readonly #parts: FaultParts;
  readonly #waking = new Set<Promise<void>>();
  #running = false;
  crashes = 0;

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = true;
    this.#parts.wire.weather = USUAL;
    for (const node of this.#parts.nodes) this.#often(CRASH_EVERY_MS, () => this.#crash(node));
    this.#often(PARTITION_EVERY_MS, this.#partition);
    this.#often(MUTE_EVERY_MS, this.#mute);
    this.#often(CUT_EVERY_MS, this.#cut);
    this.#often(STORM_EVERY_MS, this.#storm);
  }

  /** Nothing goes wrong any more; whoever is down wakes. */
  stop(): void {
    this.#running = false;
    const { wire, hub, nodes } = this.#parts;
    wire.weather = CLEAR;
    wire.mute.clear();
    hub.heal();
    for (const node of nodes) if (!node.isAlive) this.#wake(node);
  }

  /** Lets those connect again that were kept apart. */
  async reconnect(): Promise<void> {
    await Promise.all(this.#waking);
    const { nodes, nodeIds } = this.#parts;
    for (const node of nodes) await node.dial(nodeIds);
  }

  readonly #crash = (node: SimNode): void => {
    const { clock, random, trace } = this.#parts;
    if (!node.isAlive || node.isWaking) return;
    this.crashes++;
    trace.say(clock.monotonic(), `${node.name} CRASHES`, node.name);
    trace.note(clock.monotonic(), 'crash', node.nodeId);
    node.crash();
    clock.after(100 + DOWN_MS * random() ** 3, () => {
      if (this.#running) this.#wake(node);
    });
  };

  #wake(node: SimNode): void {
    const { clock, trace, nodeIds } = this.#parts;
    trace.say(clock.monotonic(), `${node.name} starts again`, node.name);
    const waking = node.start(nodeIds).finally(() => this.#waking.delete(waking));
    this.#waking.add(waking);
  }

  readonly #partition = (): void => {
    const { clock, hub, random, nodeIds, trace } = this.#parts;
    const one = nodeIds.filter(() => random() < 0.5);
    const other = nodeIds.filter((nodeId) => !one.includes(nodeId));
    trace.say(clock.monotonic(), 'PARTITION', 'node');
    hub.partition(one, other);
    clock.after(PARTED_MS * random(), () => {
      trace.say(clock.monotonic(), 'the partition ends', 'node');
      hub.heal();
      void this.reconnect();
    });
  };

  readonly #mute = (): void => {
    const { clock, random, wire } = this.#parts;
    for (let count = 0; count < MUTED_AT_ONCE; count++) {
      const direction = Wire.direction(this.#anybody(), this.#anybody());
      wire.mute.add(direction);
      clock.after(MUTED_MS * random(), () => wire.mute.delete(direction));
    }
  };

  readonly #cut = (): void => {
    this.#parts.hub.disconnect(this.#anybody(), this.#anybody());
  };

  readonly #storm = (): void => {
    const { clock, random, wire } = this.#parts;
    wire.weather = STORM;
    clock.after(STORM_MS * random(), () => {
      if (this.#running) wire.weather = USUAL;
    });
  };

  #often(meanMs: number, happens: () => void): void {
    const { clock, random } = this.#parts;
    clock.after(-Math.log(1 - random()) * meanMs, () => {
      if (!this.#running) return;
      happens();
      this.#often(meanMs, happens);
    });
  }

  #anybody(): string {
    const { nodeIds, random } = this.#parts;
    return nodeIds[Math.floor(random() * nodeIds.length)] ?? '';
  }
}
