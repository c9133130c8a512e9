import { describe, expect, it } from 'vitest';
import { ProviderTable } from '../../../src/market/provider-table.ts';
import { createScheduler } from '../../../src/market/scheduler.ts';
import { TIE_WINDOW } from '../../../src/market/spread.ts';
import { capsuleNamed, nodeNamed, offer } from '../../support/market.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const health = { excluded: () => undefined, waitMs: () => 0, isSilent: () => false };

/** How often each of `count` equals comes first among as many capsules as make `each` for everyone. */
function shares(count: number, each: number, offered: (index: number) => { price: number; latency: number }) {
  const table = new ProviderTable({ clock: new VirtualClock() });
  const won = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const nodeId = nodeNamed(`equal ${index}`);
    won.set(nodeId, 0);
    const { price, latency } = offered(index);
    const capabilities = [offer('text.analyze', price, latency)];
    table.apply({ nodeId, sequence: 1, capabilities }, { ring: 'ring1', roundTripMs: 1 });
  }
  const scheduler = createScheduler({ table, health, local: () => undefined, nodeId: nodeNamed('self') });
  for (let index = 0; index < count * each; index++) {
    const first = scheduler.choose(capsuleNamed(`${index}`, { amount: 10 }), { now: 0 }).ranking[0];
    if (first !== undefined) won.set(first.nodeId, (won.get(first.nodeId) ?? 0) + 1);
  }
  return [...won.values()];
}

/** Pearson's statistic over its degrees of freedom: about 1 for an even spread. */
function unevenness(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) / (counts.length - 1);
}

describe('the spread of equals', () => {
  for (const count of [2, 3, 10, TIE_WINDOW]) {
    it(`is even among ${count}`, () => {
      const counts = shares(count, 200, () => ({ price: 1, latency: 0.5 }));
      const freedom = count - 1;
      // Five standard deviations of the statistic, whose variance is two over its degrees of freedom.
      expect(unevenness(counts, 200)).toBeLessThan(1 + 5 * Math.sqrt(2 / freedom));
    });
  }

  it('is even among equals of different prices', () => {
    const counts = shares(30, 200, (index) => ({ price: index / 100, latency: 2 - index / 50 }));
    expect(unevenness(counts, 200)).toBeLessThan(1 + 5 * Math.sqrt(2 / 29));
  });

  it('is even among more equals than the window, of a common price and rare ones', () => {
    const price = (index: number) => (index < 200 ? 0 : (index % 25) / 100);
    const counts = shares(240, 60, (index) => ({ price: price(index), latency: 2 - 2 * price(index) }));
    expect(unevenness(counts, 60)).toBeLessThan(1 + (1.5 * 60) / TIE_WINDOW);
    const mean = (part: readonly number[]) => part.reduce((sum, count) => sum + count, 0) / part.length;
    expect(mean(counts.slice(200)) / mean(counts.slice(0, 200))).toBeGreaterThan(0.75);
    expect(mean(counts.slice(200)) / mean(counts.slice(0, 200))).toBeLessThan(1.33);
  });

  it('reaches everyone of many more than the window, none much more often than the mean', () => {
    const counts = shares(500, 30, () => ({ price: 1, latency: 0.5 }));
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts)).toBeLessThan(30 * 2.5);
    // Sampling alone gives 1; arcs that differ by one over the window's root add the mean over the window.
    expect(unevenness(counts, 30)).toBeLessThan(1 + (1.3 * 30) / TIE_WINDOW);
  });
});
