import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { PeerHealthTracker } from '../../../src/market/peer-health.ts';
import { ProviderTable } from '../../../src/market/provider-table.ts';
import { createScheduler } from '../../../src/market/scheduler.ts';
import type { Scheduler } from '../../../src/market/types.ts';
import { capsuleNamed } from '../../support/market.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';
import { ASKED_CAPABILITY, type ModelProvider } from './provider.ts';

/** Nodes that ask, each with what it knows of others' health; they share the tables. */
const SUBMITTERS = 200;
const AMOUNT = 1;
/** ms that a busy provider asks for, as the exchange's `BUSY_RETRY_MS`. */
const BUSY_MS = 1_000;

export interface DemandFigures {
  decisionUs: number;
  capsules: number;
  /** Capsules of the busiest provider over its share by capacity; of the 99th of a hundred. */
  busiest: number;
  p99: number;
  /** Refusals as busy for each capsule. */
  declined: number;
  /** Times that all sixteen ranked were busy, for each capsule. */
  waits: number;
  /** From choosing to done over the time of a single execution. */
  slowdownP50: number;
  slowdownP99: number;
}

interface Submitter {
  scheduler: Scheduler;
  health: PeerHealthTracker;
}

interface DemandComponents {
  clock: VirtualClock;
  random: () => number;
  providers: ReadonlyMap<string, ModelProvider>;
  tables: readonly ProviderTable[];
}

/** Capsules that come at random, each from one of many submitters, and go where its scheduler says. */
export class Demand {
  readonly #parts: DemandComponents;
  readonly #submitters: Submitter[];
  readonly #servedBefore = new Map<string, number>();
  #perMs = 0;
  #running = false;
  #capsules = 0;
  #declined = 0;
  #waits = 0;
  #decisions = 0;
  #decidingMs = 0;
  #slowdowns: number[] = [];

  constructor(parts: DemandComponents) {
    this.#parts = parts;
    const { clock, tables, providers } = parts;
    this.#submitters = Array.from({ length: SUBMITTERS }, (_, index) => {
      const table = tables[index % tables.length] ?? new ProviderTable({ clock });
      const health = new PeerHealthTracker({ clock });
      const nodeId = [...providers.keys()][0] ?? '';
      return { health, scheduler: createScheduler({ table, health, nodeId, local: () => undefined }) };
    });
  }

  start(perSecond: number): void {
    this.#perMs = perSecond / 1_000;
    this.#running = true;
    this.#next();
  }

  stop(): void {
    this.#running = false;
  }

  /** Forgets what was counted so far. */
  count(): void {
    this.#capsules = this.#declined = this.#waits = this.#decisions = this.#decidingMs = 0;
    this.#slowdowns = [];
    for (const [name, { served }] of this.#parts.providers) this.#servedBefore.set(name, served);
  }

  figures(capacity: number): DemandFigures {
    const served = [...this.#parts.providers].map(([name, provider]) => {
      const share = 1 / provider.seconds / capacity;
      return (provider.served - (this.#servedBefore.get(name) ?? 0)) / (share * this.#slowdowns.length);
    });
    const slowdowns = this.#slowdowns.sort((a, b) => a - b);
    const ranked = served.sort((a, b) => a - b);
    const at = (values: readonly number[], part: number) =>
      values[Math.floor(part * (values.length - 1))] ?? Number.NaN;
    return {
      decisionUs: (1_000 * this.#decidingMs) / this.#decisions,
      capsules: this.#capsules,
      busiest: at(ranked, 1),
      p99: at(ranked, 0.99),
      declined: this.#declined / this.#capsules,
      waits: this.#waits / this.#capsules,
      slowdownP50: at(slowdowns, 0.5),
      slowdownP99: at(slowdowns, 0.99),
    };
  }

  #next(): void {
    if (!this.#running) return;
    const { clock, random } = this.#parts;
    clock.after(-Math.log(1 - random()) / this.#perMs, () => {
      this.#submit();
      this.#next();
    });
  }

  #submit(): void {
    const { clock, random } = this.#parts;
    const submitter = this.#submitters[Math.floor(random() * this.#submitters.length)];
    if (submitter === undefined) return;
    const name = `${this.#capsules++} ${random()}`;
    const capsule = capsuleNamed(name, { requestedCapability: ASKED_CAPABILITY, amount: AMOUNT });
    this.#place(capsule, submitter, clock.monotonic());
  }

  /** Asks one after the other as they are ranked; where all are busy, the capsule waits and looks again. */
  #place(capsule: Capsule, submitter: Submitter, submittedAt: number): void {
    const { clock, providers } = this.#parts;
    const begun = performance.now();
    const { ranking } = submitter.scheduler.choose(capsule, { now: clock.now() });
    this.#decidingMs += performance.now() - begun;
    this.#decisions++;
    for (const { nodeId } of ranking) {
      const provider = providers.get(nodeId);
      const ms = provider?.take();
      if (provider !== undefined && ms !== undefined) {
        const waited = clock.monotonic() - submittedAt;
        this.#slowdowns.push((waited + ms) / 1_000 / provider.seconds);
        return;
      }
      this.#declined++;
      submitter.health.declinedBusy(nodeId, ASKED_CAPABILITY, BUSY_MS);
    }
    this.#waits++;
    clock.after(BUSY_MS, () => this.#place(capsule, submitter, submittedAt));
  }
}
