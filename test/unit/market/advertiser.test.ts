import { afterEach, describe, expect, it } from 'vitest';
import { MARKET_TOPIC } from '../../../protocols/common/v1/limits.ts';
import type { CapabilityAdvertisement, GossipMessage } from '../../../protocols/messages/v1/schema.ts';
import type { OffersSource } from '../../../src/market/advertisement.ts';
import {
  ADVERTISE_INTERVAL_MS,
  Advertiser,
  type AdvertiserInit,
  MIN_GAP_MS,
  NEW_PEER_MS,
  NEWCOMER_DELAY_MS,
  NEWCOMER_GAP_MS,
} from '../../../src/market/advertiser.ts';
import { ENTRY_TTL_MS, ProviderTable } from '../../../src/market/provider-table.ts';
import type { MemoryNetwork } from '../../../src/network/memory-network.ts';
import type { Network } from '../../../src/network/types.ts';
import { nodeNamed, offer } from '../../support/market.ts';
import { type MemoryMesh, memoryMesh, silentLog } from '../../support/network.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

type LocalOffers = ReturnType<OffersSource['offers']>;

/** What an engine offers, changed by hand. */
class Shelf implements OffersSource {
  #offers: LocalOffers;
  readonly listeners = new Set<() => void>();

  constructor(offers: LocalOffers = []) {
    this.#offers = offers;
  }

  offers(): LocalOffers {
    return this.#offers;
  }

  onOffersChanged(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  change(offers: LocalOffers): void {
    this.#offers = offers;
    for (const listener of this.listeners) listener();
  }
}

const sells = (id: string, price = 1, estimatedLatency = 0.5, detail?: Record<string, unknown>) => {
  const local = { capability: { id, idempotent: true }, price, estimatedLatency };
  return detail === undefined ? local : { ...local, detail };
};

interface Trader {
  network: MemoryNetwork;
  table: ProviderTable;
  shelf: Shelf;
  heard: string[];
  advertiser: Advertiser;
}

const meshes: MemoryMesh[] = [];
afterEach(async () => {
  for (const mesh of meshes.splice(0)) await mesh.stop();
});

async function market(shelves: Shelf[], options: { connect?: boolean; init?: AdvertiserInit } = {}) {
  const clock = new VirtualClock();
  const mesh = await memoryMesh(shelves.length, { clock, connect: options.connect ?? true });
  meshes.push(mesh);
  const published: CapabilityAdvertisement[] = [];
  const traders = mesh.nodes.map((network, index): Trader => {
    const table = new ProviderTable({ clock });
    const shelf = shelves[index] ?? new Shelf();
    const log = silentLog;
    const heard: string[] = [];
    const health = { heardOf: (nodeId: string) => heard.push(nodeId) };
    const publish = network.publish.bind(network);
    network.publish = async (topic, message) => {
      if (message.type === 'capability_advertisement') published.push(message);
      await publish(topic, message);
    };
    const advertiser = new Advertiser(
      { network, offers: shelf, table, health, clock, random: () => 0.5, log },
      options.init,
    );
    network.onMessage((from, message) => {
      if (message.type === 'capability_query') advertiser.handleQuery(from, message);
      if (message.type === 'capability_advertisement') advertiser.handleAdvertisement(from, message);
    });
    return { network, table, shelf, heard, advertiser };
  });
  return { clock, mesh, traders, published };
}

/** The `index`th, which must be there. */
function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`There is no ${index}th of ${list.length}`);
  return found;
}

const ids = (table: ProviderTable): string[] => table.all(100).map((provider) => provider.capabilityId);

describe('the advertiser', () => {
  it('tells the mesh at its start, with the ring and round trip that each receiver measured', async () => {
    const { traders, mesh } = await market([new Shelf([sells('text.analyze')]), new Shelf(), new Shelf()]);
    const [seller, near, far] = [at(traders, 0), at(traders, 1), at(traders, 2)];
    mesh.hub.setRoundTrip(seller.network.nodeId, far.network.nodeId, 60);
    for (const { advertiser } of [near, far, seller]) await advertiser.start();
    await settle();

    const expected = {
      nodeId: seller.network.nodeId,
      capabilityId: 'text.analyze',
      price: 1,
      estimatedLatency: 0.5,
    };
    expect(near.table.all(10)).toMatchObject([{ ...expected, ring: 'ring1' }]);
    expect(far.table.all(10)).toMatchObject([expected]);
    expect(seller.table.all(10)).toEqual([]);
  });

  it('says of each offer whether the same work may be run twice', async () => {
    const once = { ...sells('data.store'), capability: { id: 'data.store', idempotent: false } };
    const { traders } = await market([new Shelf([sells('text.analyze'), once]), new Shelf()]);
    for (const { advertiser } of traders) await advertiser.start();
    await settle();
    const heard = at(traders, 1).table.all(9);
    expect(heard.map(({ capabilityId, idempotent }) => [capabilityId, idempotent])).toEqual([
      ['data.store', false],
      ['text.analyze', true],
    ]);
  });

  it('tells a peer that has just connected directly, since gossip may not know yet that it listens', async () => {
    const shelf = new Shelf();
    const { traders, clock } = await market([shelf, new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    for (const { advertiser } of [buyer, seller]) await advertiser.start();
    buyer.network.unsubscribe(MARKET_TOPIC);
    shelf.change([sells('text.analyze')]);
    await clock.advance(MIN_GAP_MS);
    await settle();
    expect(ids(buyer.table)).toEqual(['text.analyze']);
    await clock.advance(NEW_PEER_MS);
    shelf.change([sells('text.stats')]);
    await clock.advance(MIN_GAP_MS);
    await settle();
    expect(ids(buyer.table)).toEqual(['text.analyze']);
  });

  it('advertises every minute, a little early, and keeps its entries alive elsewhere', async () => {
    const { traders, clock, published } = await market([new Shelf([sells('text.analyze')]), new Shelf()]);
    for (const { advertiser } of traders) await advertiser.start();
    await clock.advance(57_000 * 10 + 1_000);

    const own = published.filter((message) => message.nodeId === at(traders, 0).network.nodeId);
    expect(own).toHaveLength(11);
    const sequences = own.map((message) => message.sequence);
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    expect(new Set(sequences).size).toBe(sequences.length);
    expect(ids(at(traders, 1).table)).toEqual(['text.analyze']);
  });

  it('advertises a change at once, and a burst of changes as one', async () => {
    const shelf = new Shelf([sells('text.analyze')]);
    const { traders, clock, published } = await market([shelf, new Shelf()]);
    for (const { advertiser } of traders) await advertiser.start();
    await clock.advance(1_000);
    published.length = 0;

    shelf.change([sells('text.stats')]);
    await clock.advance(0);
    expect(ids(at(traders, 1).table)).toEqual(['text.stats']);
    for (let i = 1; i <= 50; i++) shelf.change([sells('text.stats', i)]);
    await clock.advance(249);
    expect(published).toHaveLength(1);
    await clock.advance(1);
    expect(published).toHaveLength(2);
    expect(at(traders, 1).table.all(1)).toMatchObject([{ price: 50 }]);
    await clock.advance(1_000);
    expect(published).toHaveLength(2);
  });

  it('says goodbye when it stops, and leaves no timer and no listener', async () => {
    const shelf = new Shelf([sells('text.analyze')]);
    const { traders, clock } = await market([shelf, new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    await seller.advertiser.start();
    await buyer.advertiser.start();
    await settle();
    expect(buyer.table.size).toBe(1);

    await seller.advertiser.stop();
    await settle();
    expect(buyer.table.size).toBe(0);
    expect(shelf.listeners.size).toBe(0);
    seller.advertiser.handleQuery(buyer.network.nodeId, { type: 'capability_query', exchangeId: 'late' });
    await settle();
    expect(buyer.table.size).toBe(0);
    await seller.advertiser.stop();
    await buyer.advertiser.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not wait for ever for its goodbye to leave', async () => {
    const { traders, clock } = await market([new Shelf([sells('text.analyze')])]);
    const { advertiser, network } = at(traders, 0);
    await advertiser.start();
    network.publish = () => new Promise(() => {});
    let stopped = false;
    const stopping = advertiser.stop().then(() => {
      stopped = true;
    });
    await clock.advance(999);
    expect(stopped).toBe(false);
    await clock.advance(1);
    await stopping;
    expect(clock.pendingTimers).toBe(0);
  });

  it('goes on when publishing fails', async () => {
    const { traders, clock } = await market([new Shelf([sells('text.analyze')]), new Shelf()]);
    const { advertiser, network } = at(traders, 0);
    await at(traders, 1).advertiser.start();
    const publish = network.publish;
    network.publish = async () => {
      throw new Error('No peers');
    };
    await advertiser.start();
    await settle();
    const buyer = at(traders, 1).table;
    buyer.remove(network.nodeId);
    network.publish = publish;
    await clock.advance(60_000);
    expect(ids(buyer)).toEqual(['text.analyze']);
  });

  it('asks whom it meets, so that a newcomer need not wait a minute', async () => {
    const { traders, mesh, clock } = await market([new Shelf([sells('text.analyze')]), new Shelf()], {
      connect: false,
    });
    for (const { advertiser } of traders) await advertiser.start();
    await clock.advance(10_000);
    expect(at(traders, 1).table.size).toBe(0);

    await at(mesh.nodes, 1).dial(`/memory/p2p/${at(mesh.nodes, 0).nodeId}`);
    await settle();
    expect(ids(at(traders, 1).table)).toEqual(['text.analyze']);
  });

  it('connects to a node that it hears of through another, and then knows how near it is', async () => {
    const shelves = [new Shelf(), new Shelf([sells('text.stats')]), new Shelf([sells('text.analyze')])];
    const { traders, mesh, clock } = await market(shelves, { connect: false });
    const [hub, first, second] = [at(traders, 0), at(traders, 1), at(traders, 2)];
    for (const { advertiser } of traders) await advertiser.start();
    await first.network.dial(`/memory/p2p/${hub.network.nodeId}`);
    await clock.advance(10_000);
    const connected: string[] = [];
    first.network.on('peer:connect', (nodeId) => connected.push(nodeId));

    await second.network.dial(`/memory/p2p/${hub.network.nodeId}`);
    expect(mesh.hub.linked(first.network.nodeId, second.network.nodeId)).toBe(false);
    await clock.advance(NEWCOMER_DELAY_MS);
    expect(connected).toEqual([second.network.nodeId]);
    expect(first.table.all(10)).toMatchObject([{ capabilityId: 'text.analyze', ring: 'ring1' }]);
    expect(second.table.all(10)).toMatchObject([{ capabilityId: 'text.stats', ring: 'ring1' }]);
  });

  it('says where it can be dialled, at most 8 addresses that are short enough, and not in its goodbye', async () => {
    const { traders, published } = await market([new Shelf()]);
    const { advertiser, network } = at(traders, 0);
    const many = Array.from({ length: 20 }, (_, index) => `/ip4/10.0.0.${index}/tcp/4470`);
    network.addresses = () => [`/dns4/${'x'.repeat(300)}/tcp/1`, ...many];
    await advertiser.start();
    await advertiser.stop();
    expect(published.map(({ addresses }) => addresses)).toEqual([many.slice(0, 8), undefined]);
  });

  it('advertises once for many peers that come at once', async () => {
    const { traders, mesh, clock, published } = await market(
      Array.from({ length: 6 }, () => new Shelf()),
      { connect: false },
    );
    const { advertiser, network } = at(traders, 0);
    await advertiser.start();
    await clock.advance(100);
    published.length = 0;
    for (const { network: other } of traders.slice(1)) await network.dial(`/memory/p2p/${other.nodeId}`);
    await clock.advance(NEWCOMER_GAP_MS - 101);
    expect(published).toHaveLength(0);
    await clock.advance(1);
    expect(published).toHaveLength(1);
    mesh.hub.disconnect(network.nodeId, at(mesh.nodes, 1).nodeId);
    await network.dial(`/memory/p2p/${at(mesh.nodes, 1).nodeId}`);
    await clock.advance(NEWCOMER_GAP_MS - 1);
    expect(published).toHaveLength(1);
    await clock.advance(1);
    expect(published).toHaveLength(2);
  });

  it('passes on an advertisement whose sequence a direct answer already brought', async () => {
    const { traders, mesh, clock, published } = await market([new Shelf(), new Shelf(), new Shelf()], {
      connect: false,
    });
    const [seller, middle, end] = [at(traders, 0), at(traders, 1), at(traders, 2)];
    const dial = (from: number, to: number) =>
      at(mesh.nodes, from).dial(`/memory/p2p/${at(mesh.nodes, to).nodeId}`);
    await dial(0, 1);
    await dial(1, 2);
    mesh.hub.partition([seller.network.nodeId], [end.network.nodeId]);
    for (const { advertiser } of traders) await advertiser.start();
    await settle();
    mesh.hub.hold();
    seller.shelf.change([sells('text.analyze')]);
    await clock.advance(250);
    // The answer to a query overtakes the gossip that carries the same sequence.
    middle.advertiser.handleAdvertisement(seller.network.nodeId, {
      type: 'capability_advertisement',
      nodeId: seller.network.nodeId,
      encryptionKey: null,
      capabilities: [offer('text.analyze', 1, 0.5)],
      sequence: published.findLast(({ nodeId }) => nodeId === seller.network.nodeId)?.sequence ?? 0,
      timestamp: clock.now(),
      exchangeId: 'x',
    });
    mesh.hub.release();
    await settle();
    expect(ids(middle.table)).toEqual(['text.analyze']);
    expect(end.table.all(10)).toMatchObject([{ nodeId: seller.network.nodeId, ring: 'global' }]);
  });

  it('tells a newcomer directly for as long as before when the wall clock is put back', async () => {
    const { traders, clock } = await market([new Shelf([sells('text.stats')]), new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    await seller.advertiser.start();
    await settle();
    const direct: string[] = [];
    seller.network.send = async (to, { type }) => void direct.push(`${type} ${to}`);
    clock.now = () => VirtualClock.prototype.now.call(clock) - 3_600_000;
    await clock.advance(NEW_PEER_MS);
    direct.length = 0;
    seller.shelf.change([sells('text.stats', 2)]);
    await settle();
    expect(direct).toEqual([]);
    expect(seller.network.isConnected(buyer.network.nodeId)).toBe(true);
  });

  it('says nothing more once another node speaks under its name, not even goodbye', async () => {
    const { traders, clock, published } = await market([new Shelf([sells('text.stats')]), new Shelf()]);
    const { advertiser, shelf } = at(traders, 0);
    await advertiser.start();
    await settle();
    advertiser.silence();
    const before = published.length;
    shelf.change([]);
    await clock.advance(ADVERTISE_INTERVAL_MS * 2);
    const stopping = advertiser.stop();
    await clock.advance(1_000);
    await stopping;
    expect(published).toHaveLength(before);
  });

  it('goes on above what another node said under its name, and tells every peer at once', async () => {
    const { traders, clock, published } = await market([new Shelf([sells('text.stats')]), new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    for (const { advertiser } of traders) await advertiser.start();
    await clock.advance(NEW_PEER_MS * 2);
    seller.advertiser.outdo(1_000_000);
    await clock.advance(1);
    expect(published.at(-1)).toMatchObject({ nodeId: seller.network.nodeId, sequence: 1_000_001 });
    const told = { nodeId: seller.network.nodeId, sequence: 1_000_001 };
    expect(buyer.table.orderOf(told, { direct: true })).toBe('same');
  });

  it('keeps a silent node until its entries expire: unknown is not dead', async () => {
    const { traders, mesh, clock } = await market([new Shelf([sells('text.analyze')]), new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    for (const { advertiser } of traders) await advertiser.start();
    await settle();
    mesh.hub.partition([seller.network.nodeId], [buyer.network.nodeId]);
    await clock.advance(ENTRY_TTL_MS - 1);
    expect(buyer.table.size).toBe(1);
    await clock.advance(1);
    expect(buyer.table.size).toBe(0);
  });

  it('places a peer anew when it is measured', async () => {
    const { traders, mesh } = await market([new Shelf([sells('text.analyze')]), new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    for (const { advertiser } of traders) await advertiser.start();
    await settle();
    mesh.hub.setRoundTrip(seller.network.nodeId, buyer.network.nodeId, 150);
    expect(buyer.table.all(1)).toMatchObject([{ roundTripMs: 150 }]);
  });

  it('takes a bid for an offer until the next advertisement', async () => {
    const { traders, clock } = await market([new Shelf(), new Shelf()]);
    const [seller, buyer] = [at(traders, 0), at(traders, 1)];
    for (const { advertiser } of traders) await advertiser.start();
    await settle();
    buyer.advertiser.noteBid(seller.network.nodeId, 'text.stats', {
      price: 2,
      estimatedLatency: 3,
      idempotent: true,
    });
    buyer.advertiser.noteBid(buyer.network.nodeId, 'text.stats', {
      price: 0,
      estimatedLatency: 0,
      idempotent: true,
    });
    expect(buyer.table.all(10)).toMatchObject([
      { nodeId: seller.network.nodeId, capabilityId: 'text.stats', price: 2, estimatedLatency: 3 },
    ]);
    seller.shelf.change([sells('text.analyze')]);
    await clock.advance(250);
    expect(ids(buyer.table)).toEqual(['text.analyze']);
  });

  it('counts whom it is connected to as met, and whom it only hears of not', async () => {
    const shelves = [new Shelf(), new Shelf([sells('text.stats')]), new Shelf([sells('text.analyze')])];
    const { traders, mesh } = await market(shelves, { connect: false });
    const [hub, near, far] = [at(traders, 0), at(traders, 1), at(traders, 2)];
    mesh.hub.partition([near.network.nodeId], [far.network.nodeId]);
    for (const { network } of [near, far]) await network.dial(`/memory/p2p/${hub.network.nodeId}`);
    for (const { advertiser } of traders) await advertiser.start();
    await settle();
    const met = ({ table }: Trader) => table.all(9).map(({ nodeId, proven }) => [nodeId, proven]);
    expect(met(near)).toEqual([[far.network.nodeId, false]]);
    expect(met(hub).toSorted()).toEqual([near, far].map(({ network }) => [network.nodeId, true]).toSorted());
    // What the hub passes on is a word of the hub, not of its author.
    expect(near.heard).not.toContain(far.network.nodeId);
    expect(near.heard).toEqual([]);
    mesh.hub.heal();
    await near.network.dial(`/memory/p2p/${far.network.nodeId}`);
    expect(met(near)).toEqual([[far.network.nodeId, true]]);
  });

  it('takes an advertisement from its author’s own hands for a sign of life', async () => {
    const { traders } = await market([new Shelf([sells('text.stats')]), new Shelf()]);
    for (const { advertiser } of traders.toReversed()) await advertiser.start();
    await settle();
    expect(at(traders, 1).heard).toContain(at(traders, 0).network.nodeId);
  });

  it('counts what one peer passes on as a share of that peer', async () => {
    const { traders } = await market([new Shelf(), new Shelf()]);
    const { network, advertiser, table } = at(traders, 0);
    let deliver: Parameters<Network['subscribe']>[2] = () => {};
    network.subscribe = (topic, _validate, handle) => {
      if (topic === MARKET_TOPIC) deliver = handle;
    };
    await advertiser.start();
    const given: (string | undefined)[] = [];
    table.apply = (_advertisement, _standing, by) => {
      given.push(by?.deliverer);
      return 'applied';
    };
    const invented = nodeNamed('invented');
    const message = { type: 'capability_advertisement', nodeId: invented, encryptionKey: null } as const;
    deliver(invented, { ...message, capabilities: [offer('ai.chat')], sequence: 1, timestamp: 0 }, 'mallory');
    expect(given).toEqual(['mallory']);
  });

  it('answers a peer that asks again and again a few times, others as before, and later again', async () => {
    const { traders, clock } = await market([new Shelf([sells('text.stats')]), new Shelf(), new Shelf()]);
    const { network, advertiser, shelf } = at(traders, 0);
    await advertiser.start();
    await clock.advance(NEW_PEER_MS);
    const sent: string[] = [];
    network.send = async (to) => void sent.push(to);
    let read = 0;
    const offers = shelf.offers.bind(shelf);
    shelf.offers = () => {
      read++;
      return offers();
    };
    const ask = (from: string, times: number) => {
      for (let i = 0; i < times; i++)
        advertiser.handleQuery(from, { type: 'capability_query', exchangeId: 'x' });
      return sent.splice(0).length;
    };
    expect(ask('mallory', 20_000)).toBeLessThan(10);
    expect(ask('alice', 1)).toBe(1);
    expect(read).toBe(1);
    await clock.advance(10_000);
    expect(ask('mallory', 20_000)).toBeLessThan(5);
    // Invented askers do not get more than all together may.
    let answered = 0;
    for (let i = 0; i < 5_000; i++) answered += ask(`invented ${i}`, 1);
    expect(answered).toBeLessThan(300);
  });

  it('answers with a change at once, though it answers from memory', async () => {
    const shelf = new Shelf([sells('text.stats', 1)]);
    const { traders } = await market([shelf, new Shelf()]);
    const { network, advertiser } = at(traders, 0);
    await advertiser.start();
    const prices: (number | undefined)[] = [];
    network.send = async (_to, message) => {
      if (message.type === 'capability_advertisement') prices.push(message.capabilities[0]?.price);
    };
    const ask = () => advertiser.handleQuery('alice', { type: 'capability_query', exchangeId: 'x' });
    ask();
    shelf.change([sells('text.stats', 2)]);
    ask();
    expect(prices).toEqual([1, 2]);
  });

  it('reads a bounded number of direct advertisements from one peer', async () => {
    const { traders, clock } = await market([new Shelf(), new Shelf()]);
    const { advertiser, table } = at(traders, 0);
    await advertiser.start();
    const bob = nodeNamed('bob');
    const tell = (sequence: number) =>
      advertiser.handleAdvertisement(bob, {
        type: 'capability_advertisement',
        nodeId: bob,
        encryptionKey: null,
        capabilities: [offer('text.stats')],
        sequence,
        timestamp: 0,
        exchangeId: 'x',
      });
    for (let sequence = 1; sequence <= 10_000; sequence++) tell(sequence);
    expect(table.orderOf({ nodeId: bob, sequence: 100 }, { direct: true })).toBe('later');
    await clock.advance(2_000);
    tell(10_001);
    expect(table.orderOf({ nodeId: bob, sequence: 10_001 }, { direct: true })).toBe('same');
  });

  it('keeps its message under the size of gossip: details go first, then what is beyond 256', async () => {
    const big = { about: 'x'.repeat(2_000) };
    const many = Array.from({ length: 300 }, (_, index) => sells(`text.c${index}`, 1, 1e9, big));
    const { traders, published } = await market([new Shelf(many)]);
    await at(traders, 0).advertiser.start();
    const message = at(published, 0);
    expect(message.capabilities).toHaveLength(256);
    expect(JSON.stringify(message).length).toBeLessThan(65_536);
    expect(at(message.capabilities, 0).detail).toEqual(big);
    expect(at(message.capabilities, 255).detail).toBeUndefined();
    expect(at(message.capabilities, 0).estimatedLatency).toBe(86_400);
  });
});

describe('the validator of the market topic', () => {
  async function validator() {
    const { traders } = await market([new Shelf(), new Shelf()]);
    const { network, advertiser, table } = at(traders, 0);
    let judge: Parameters<Network['subscribe']>[1] = () => 'accept';
    network.subscribe = (topic, given) => {
      if (topic === MARKET_TOPIC) judge = given;
    };
    await advertiser.start();
    const validate = (from: string, message: GossipMessage) => judge(from, message, from);
    return { validate, table, self: network.nodeId };
  }
  const bob = nodeNamed('bob');
  const ad = (nodeId: string, sequence: number): CapabilityAdvertisement => {
    const capabilities = [offer('text.analyze')];
    return {
      type: 'capability_advertisement',
      nodeId,
      encryptionKey: null,
      capabilities,
      sequence,
      timestamp: 0,
    };
  };

  it('accepts news, and the same sequence again', async () => {
    const { validate, table } = await validator();
    expect(validate(bob, ad(bob, 5))).toBe('accept');
    table.apply(ad(bob, 5));
    expect(validate(bob, ad(bob, 5))).toBe('accept');
    expect(validate(bob, ad(bob, 6))).toBe('accept');
  });

  it('ignores what is older, and its own', async () => {
    const { validate, table, self } = await validator();
    table.apply(ad(bob, 5));
    expect(validate(bob, ad(bob, 4))).toBe('ignore');
    expect(validate(self, ad(self, 4))).toBe('ignore');
  });

  it('rejects who speaks for another, and what is not an advertisement', async () => {
    const { validate } = await validator();
    expect(validate(bob, ad(nodeNamed('mallory'), 5))).toBe('reject');
    expect(
      validate(bob, { type: 'capsule_announce', nodeId: bob, capsuleIds: [], capsuleSummaries: [] }),
    ).toBe('reject');
  });

  it('drops a direct answer that speaks for another', async () => {
    const { traders } = await market([new Shelf()]);
    const { advertiser, table } = at(traders, 0);
    advertiser.handleAdvertisement(bob, { ...ad(nodeNamed('alice'), 1), exchangeId: 'x' });
    expect(table.size).toBe(0);
    advertiser.handleAdvertisement(bob, { ...ad(bob, 1), exchangeId: 'x' });
    expect(table.size).toBe(1);
  });
});
