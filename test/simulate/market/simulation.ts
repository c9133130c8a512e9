import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { CapabilityAdvertisement } from '../../../protocols/messages/v1/schema.ts';
import { ADVERTISE_INTERVAL_MS, Advertiser } from '../../../src/market/advertiser.ts';
import { PeerHealthTracker } from '../../../src/market/peer-health.ts';
import { ProviderTable } from '../../../src/market/provider-table.ts';
import { createScheduler } from '../../../src/market/scheduler.ts';
import type { Scheduler } from '../../../src/market/types.ts';
import { openMemoryDatabase } from '../../../src/store/memory-database.ts';
import { capsuleNamed, nodeNamed } from '../../support/market.ts';
import { silentLog } from '../../support/network.ts';
import { seededRandom } from '../../support/random.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { ModelNetwork, type Traffic } from './model-network.ts';
import { Overlay } from './overlay.ts';
import { ASKED_CAPABILITY, ModelProvider } from './provider.ts';

/** How the providers differ: not at all, or in price and speed. */
export type Shape = 'equal' | 'different';

export interface MarketInit {
  nodes: number;
  seed: number;
  shape: Shape;
  /** Minutes counted, after two that are not. */
  minutes: number;
  /** Part of all capacity that is asked for. */
  load: number;
}

export interface MarketFigures {
  nodes: number;
  /** Of one node in a minute, once all know each other. */
  published: number;
  advertisementBytes: number;
  received: number;
  receivedBytes: number;
  idBytes: number;
  /** Until the last node had a message. */
  reachedAllMs: number;
  /** Sent directly by one node while it joined. */
  joiningMessages: number;
  joiningBytes: number;
  knownNodes: number;
  offers: number;
  tableBytes: number;
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

/** Nodes with a whole table: all would hold the same one. */
const TABLES = 2;
/** Nodes that ask, each with what it knows of others' health; they share the tables. */
const SUBMITTERS = 200;
const SECONDS = 2;
const PRICES = [0, 0, 0.1, 0.2, 0.5];
const SPEEDS = [0.5, 1, 1, 2];
const AMOUNT = 1;
/** ms that a busy provider asks for, as the exchange's `BUSY_RETRY_MS`. */
const BUSY_MS = 1_000;
const MINUTE_MS = 60_000;
const WARM_UP_MINUTES = 2;
const FLOODS = 12;

/** For nodes whose knowledge nobody asks about. */
const NO_TABLE = {
  apply: () => 'applied' as const,
  noteOffer: () => true,
  updatePeer: () => {},
  lastSequence: () => undefined,
};

/**
 * Advertisers, tables, schedulers and health of many nodes, the production ones, on a virtual clock. Gossip is modelled
 * (`Overlay`); so are providers, which serve one capsule at a time. Deterministic but for the decision's microseconds
 * and the table's bytes, which are measured.
 */
export async function simulateMarket({
  nodes,
  seed,
  shape,
  minutes,
  load,
}: MarketInit): Promise<MarketFigures> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const db = openMemoryDatabase({ log: silentLog, clock });
  const overlay = new Overlay(nodes, random);
  const names = Array.from({ length: nodes }, (_, node) => nodeNamed(`${node}`));
  const providers = new Map(
    names.map((name, node) => [name, new ModelProvider({ clock, random, db }, traitsOf(shape, node))]),
  );
  const tables = Array.from({ length: TABLES }, () => new ProviderTable({ clock }));
  const traffic: Traffic = { published: 0, publishedBytes: 0, direct: 0, directBytes: 0 };
  const heard: ModelNetwork['hear'][] = [];
  const health = new PeerHealthTracker({ clock });
  const advertisers: Advertiser[] = [];
  names.forEach((name, node) => {
    const offers = providers.get(name);
    if (offers === undefined) return;
    const peers = overlay.neighbours[node]?.map((peer) => names[peer] ?? '') ?? [];
    const network = new ModelNetwork(name, peers, { connectedAt: clock.now(), traffic, heard });
    const table = tables[node] ?? NO_TABLE;
    if (node < TABLES) heard.push(network.hear);
    advertisers.push(new Advertiser({ network, offers, table, health, clock, random, log: silentLog }));
  });
  // Nodes come up over one interval, as they would have, so that not all speak at once.
  for (const advertiser of advertisers)
    clock.after(random() * ADVERTISE_INTERVAL_MS, () => void advertiser.start());
  await pass(clock, WARM_UP_MINUTES * MINUTE_MS);
  const joining = { ...traffic };

  const demand = new Demand({ clock, random, providers, tables });
  const capacity = [...providers.values()].reduce((sum, { seconds }) => sum + 1 / seconds, 0);
  demand.start(capacity * load);
  await pass(clock, WARM_UP_MINUTES * MINUTE_MS);
  demand.count();
  const before = { ...traffic };
  await pass(clock, minutes * MINUTE_MS);
  demand.stop();

  const perNode = nodes * minutes;
  const published = (traffic.published - before.published) / perNode;
  const advertisementBytes =
    (traffic.publishedBytes - before.publishedBytes) / (traffic.published - before.published);
  const cost = overlay.cost(FLOODS, advertisementBytes);
  const others = published * (nodes - 1);
  return {
    nodes,
    published,
    advertisementBytes,
    received: cost.messages * others,
    receivedBytes: cost.bytes * others,
    idBytes: cost.idBytes * others,
    reachedAllMs: cost.reachedAllMs,
    joiningMessages: joining.direct / nodes,
    joiningBytes: joining.directBytes / nodes,
    knownNodes: tables[0]?.knownNodes ?? 0,
    offers: tables[0]?.size ?? 0,
    tableBytes: tableBytes(names, providers),
    ...demand.figures(capacity),
  };
}

function traitsOf(shape: Shape, node: number): { price: number; seconds: number } {
  if (shape === 'equal') return { price: 0, seconds: SECONDS };
  const price = PRICES[node % PRICES.length] ?? 0;
  return { price, seconds: SECONDS / (SPEEDS[Math.floor(node / PRICES.length) % SPEEDS.length] ?? 1) };
}

/** Fires what is due. Only advertisers have promises, and nobody waits for them within a turn. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  const end = clock.monotonic() + ms;
  while (clock.fire(end));
  clock.rest(end);
  await settle();
}

/** Bytes of one table that holds every node, measured on the heap. */
function tableBytes(names: readonly string[], providers: ReadonlyMap<string, ModelProvider>): number {
  const { gc } = globalThis;
  if (gc === undefined) return Number.NaN;
  const fill = (): ProviderTable => {
    const table = new ProviderTable({ clock: new VirtualClock() });
    names.forEach((name) => {
      const offers = providers.get(name)?.offers() ?? [];
      const capabilities = offers.map(({ capability, price, estimatedLatency, detail }) => ({
        capabilityId: capability.id,
        idempotent: capability.idempotent,
        locality: 'local' as const,
        price,
        estimatedLatency,
        ...(detail !== undefined && { detail }),
      }));
      const advertisement = { nodeId: name, sequence: 1, capabilities };
      // From the wire every string is its own.
      const received: Pick<CapabilityAdvertisement, keyof typeof advertisement> = JSON.parse(
        JSON.stringify(advertisement),
      );
      table.apply(received);
    });
    return table;
  };
  gc();
  const before = process.memoryUsage().heapUsed;
  const table = fill();
  gc();
  const bytes = process.memoryUsage().heapUsed - before;
  return table.size === 0 ? 0 : bytes;
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
class Demand {
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

  figures(capacity: number) {
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
