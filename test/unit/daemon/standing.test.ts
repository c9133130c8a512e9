import { describe, expect, it } from 'vitest';
import { defaultConfig } from '../../../src/daemon/config.ts';
import { standingsOf } from '../../../src/daemon/standing.ts';
import { alice, bob, carol, mallory } from '../../support/keys.ts';

describe('standings', () => {
  const config = defaultConfig();
  const known = { [alice.identity]: 50, [carol.nodeId]: 0 };

  it('on an open mesh know the own node and whom the operator named', () => {
    const { standing, creditLimit } = standingsOf(bob.identity, {
      network: config.network,
      credits: { ...config.credits, known },
    });
    const all = [bob, alice, carol, mallory].map(({ identity }) => [
      standing(identity),
      creditLimit(identity),
    ]);
    expect(all).toEqual([
      ['own', 1],
      ['known', 50],
      ['known', 0],
      ['stranger', 1],
    ]);
  });

  it('on a private one know everybody', () => {
    const { standing, creditLimit } = standingsOf(bob.identity, {
      network: { ...config.network, allow: [alice.nodeId] },
      credits: { ...config.credits, known },
    });
    expect([standing(mallory.identity), creditLimit(mallory.identity)]).toEqual(['known', 1000]);
    expect(creditLimit(alice.identity)).toBe(50);
  });

  it.each(['constructor', '__proto__', ''])('know nobody by the name %j', (name) => {
    const { standing, creditLimit } = standingsOf(bob.identity, config);
    expect([standing(name), creditLimit(name)]).toEqual(['stranger', 1]);
  });
});
