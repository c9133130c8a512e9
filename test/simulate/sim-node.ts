import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { DEFAULT_EXCHANGE_INIT } from '../../src/exchange/components.ts';
import type { State } from '../../src/exchange/machine/state.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Crypto } from '../../src/lib/crypto.ts';
import type { MemoryHub } from '../../src/network/memory-hub.ts';
import { MemoryDisk } from '../../src/store/memory-disk.ts';
import type { TestKey } from '../support/keys.ts';
import { beginLife, crash, dial, type Life, startLife, type WorkRun } from '../support/mesh-life.ts';

/** Shorter than in life, so that a simulation need not last for hours. */
export const EXCHANGE = {
  ...DEFAULT_EXCHANGE_INIT,
  maxRunMs: 180_000,
  searchMs: 60_000,
  deliverMs: 600_000,
  maxActive: 16_384,
};

/** Longer than any simulation. */
const PROBE_MS = 100 * 86_400_000;

export interface SimNodeInit {
  name: string;
  key: TestKey;
  crypto: Crypto;
  /** The node's own: its wall clock may be wrong. */
  clock: Clock;
  hub: MemoryHub;
  offers: Record<string, number>;
  onRun(node: SimNode, run: WorkRun): void;
}

/** One node of production parts, through all its lives. */
export class SimNode {
  readonly name: string;
  readonly key: TestKey;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly #init: SimNodeInit;
  readonly #disk = { medium: new MemoryDisk(), condition: { broken: false, stalled: undefined } };
  #life: Life | undefined;
  /** Lives begun. */
  lives = 0;
  /** It is about to begin one. */
  isWaking = false;

  constructor(init: SimNodeInit) {
    this.name = init.name;
    this.key = init.key;
    this.nodeId = init.key.nodeId;
    this.clock = init.clock;
    this.#init = init;
  }

  get isAlive(): boolean {
    return this.#life?.alive === true;
  }

  get life(): Life {
    if (this.#life === undefined) throw new Error(`${this.name} never lived`);
    return this.#life;
  }

  /** Begins a life on what earlier ones left on the disk, and dials the peers. */
  async start(peers: readonly string[]): Promise<void> {
    const { key, clock, crypto, hub, offers, onRun } = this.#init;
    this.isWaking = true;
    const life: Life = await beginLife({
      key,
      clock,
      crypto,
      hub,
      disk: this.#disk,
      offers,
      work: undefined,
      exchange: EXCHANGE,
      // No module here has anything to probe.
      engine: { probeIntervalMs: PROBE_MS },
      creditLimit: 1_000_000,
      number: ++this.lives,
      pass: () => {},
      onEvent: () => {},
      onRun: (run) => {
        if (life.alive) onRun(this, run);
      },
    });
    this.#life = life;
    await startLife(life);
    this.isWaking = false;
    await this.dial(peers);
  }

  dial(peers: readonly string[]): Promise<void> {
    return dial(this.life, peers);
  }

  /** Loses everything that is not on the disk, at once. */
  crash(): void {
    crash(this.life);
  }

  state(id: string): State | undefined {
    return this.life.capsules.row(id);
  }

  capsule(id: string): Capsule | undefined {
    return this.life.capsules.get(id);
  }
}
