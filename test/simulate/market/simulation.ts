import type { CapabilityAdvertisement } from '../../../protocols/messages/v1/schema.ts';
import { offersOnWire } from '../../../src/market/advertisement.ts';
import { ADVERTISE_INTERVAL_MS, Advertiser } from '../../../src/market/advertiser.ts';
import { PeerHealthTracker } from '../../../src/market/peer-health.ts';
import { ProviderTable } from '../../../src/market/provider-table.ts';
import { openMemoryDatabase } from '../../../src/store/memory-database.ts';
import { nodeNamed } from '../../support/market.ts';
import { silentLog } from '../../support/network.ts';
import { seededRandom } from '../../support/random.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { Demand, type DemandFigures } from './demand.ts';
import { ModelNetwork, type Traffic } from './model-network.ts';
import { Overlay } from './overlay.ts';
import { ModelProvider } from './provider.ts';

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

export interface MarketFigures extends DemandFigures {
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
}

/** Nodes with a whole table: all would hold the same one. */
const TABLES = 2;
const SECONDS = 2;
const PRICES = [0, 0, 0.1, 0.2, 0.5];
const SPEEDS = [0.5, 1, 1, 2];
const MINUTE_MS = 60_000;
const WARM_UP_MINUTES = 2;
const FLOODS = 12;

/** For nodes whose knowledge nobody asks about. */
const NO_TABLE = {
  apply: () => 'applied' as const,
  noteOffer: () => true,
  updatePeer: () => {},
  orderOf: () => 'later' as const,
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
      const advertisement = { nodeId: name, sequence: 1, capabilities: offersOnWire(offers) };
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
