import { describe, expect, it } from 'vitest';
import { simulateMarket } from './market/simulation.ts';
import { simulate } from './simulation.ts';

const SMALL = { nodes: 10, capsules: 120 };

describe('whole nodes, and everything that goes wrong', () => {
  it.each([1, 2, 3, 4, 5])('breaks nothing with seed %i', async (seed) => {
    const { violations, accepted, completed } = await simulate({ ...SMALL, seed });
    expect(violations).toEqual([]);
    expect(completed).toBeGreaterThan(accepted / 2);
  });

  it('happens again in the same way', async () => {
    const watched = { ...SMALL, seed: 6, capsules: 40 };
    const { hash } = await simulate(watched);
    // To look on changes nothing.
    expect((await simulate({ ...watched, watch: ['any'] })).hash).toBe(hash);
    expect((await simulate({ ...watched, seed: 7 })).hash).not.toBe(hash);
  });

  it('holds with real signatures', async () => {
    const { violations, completed } = await simulate({ nodes: 4, capsules: 20, seed: 8, realCrypto: true });
    expect(violations).toEqual([]);
    expect(completed).toBeGreaterThan(0);
  });
});

describe('advertisers, tables and schedulers of many', () => {
  it('let everybody know everybody, within an interval', async () => {
    const figures = await simulateMarket({ nodes: 60, seed: 1, shape: 'equal', minutes: 1, load: 0.05 });
    expect(figures.knownNodes).toBe(59);
    expect(figures.published).toBeLessThan(1.2);
    expect(figures.capsules).toBeGreaterThan(0);
  });
});
