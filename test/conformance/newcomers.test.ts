import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { Advertiser } from '../../src/market/advertiser.ts';
import { ProviderTable } from '../../src/market/provider-table.ts';
import type { Network } from '../../src/network/types.ts';
import { addressOf, libp2pNode, query, silentLog } from '../support/network.ts';

describe('two nodes that share only a bootstrap node', () => {
  const running: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const part of running.splice(0).reverse()) await part.stop();
  });

  async function trader(seed: number, sells: string[], bootstrap: string[] = []) {
    const network = libp2pNode(seed, { bootstrap });
    const table = new ProviderTable({ clock: systemClock });
    const offers = {
      offers: () =>
        sells.map((id) => ({ capability: { id, idempotent: true }, price: 1, estimatedLatency: 0.1 })),
      onOffersChanged: () => () => {},
    };
    const parts = {
      network,
      offers,
      table,
      health: { heardOf: () => {} },
      clock: systemClock,
      random: () => 0.5,
      log: silentLog,
    };
    const advertiser = new Advertiser(parts);
    const asked: string[] = [];
    network.onMessage((from, message) => {
      asked.push(from);
      if (message.type === 'capability_query') advertiser.handleQuery(from, message);
      if (message.type === 'capability_advertisement') advertiser.handleAdvertisement(from, message);
    });
    running.push(network, advertiser);
    await network.start();
    await advertiser.start();
    return { network, table, asked };
  }

  const met = (a: Network, b: Network): Promise<void> =>
    vi.waitFor(() => expect(a.isConnected(b.nodeId)).toBe(true), { timeout: 15_000 });

  it('become direct peers, know what each offers, and can send to each other', async () => {
    const hub = await trader(1, []);
    const bootstrap = [addressOf(hub.network)];
    const first = await trader(2, ['text.stats'], bootstrap);
    await met(hub.network, first.network);
    const second = await trader(3, ['text.analyze'], bootstrap);
    await Promise.all([met(first.network, second.network), met(second.network, first.network)]);
    await vi.waitFor(() => {
      expect(first.table.all(10)).toMatchObject([{ nodeId: second.network.nodeId, ring: 'ring1' }]);
      expect(second.table.all(10)).toMatchObject([{ nodeId: first.network.nodeId, ring: 'ring1' }]);
    });
    second.asked.length = 0;
    await first.network.send(second.network.nodeId, query('1'));
    await vi.waitFor(() => expect(second.asked).toContain(first.network.nodeId));
  }, 20_000);
});
