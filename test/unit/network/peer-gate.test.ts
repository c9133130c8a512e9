import { describe, expect, it } from 'vitest';
import { ConnectionShares } from '../../../src/network/connection-shares.ts';
import { DEFAULT_NETWORK_LIMITS } from '../../../src/network/limits.ts';
import { PeerGate } from '../../../src/network/peer-gate.ts';
import { Penalties } from '../../../src/network/penalties.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const gateOf = (clock: VirtualClock, allow: string[] = [], deny: string[] = []): PeerGate =>
  new PeerGate(
    {
      clock,
      shares: new ConnectionShares({ clock, isKnown: () => false }, DEFAULT_NETWORK_LIMITS),
      expects: () => true,
    },
    { allow, deny, refusalMs: 1_000 },
  );

describe('the peer gate', () => {
  it('admits everybody by default, and nobody who is denied', () => {
    const gate = gateOf(new VirtualClock(), [], ['mallory']);
    expect(gate.admits('alice')).toBe(true);
    expect(gate.admits('mallory')).toBe(false);
  });

  it('admits only those allowed when there is such a list, and denying wins', () => {
    const gate = gateOf(new VirtualClock(), ['alice', 'mallory'], ['mallory']);
    expect(['alice', 'bob', 'mallory'].map((peer) => gate.admits(peer))).toEqual([true, false, false]);
  });

  it('refuses for a while', async () => {
    const clock = new VirtualClock();
    const gate = gateOf(clock);
    gate.refuse('mallory');
    await clock.advance(999);
    expect(gate.admits('mallory')).toBe(false);
    expect(gate.admits('alice')).toBe(true);
    await clock.advance(1);
    expect(gate.admits('mallory')).toBe(true);
  });
});

describe('penalties', () => {
  it('add up for one peer, and fade', async () => {
    const clock = new VirtualClock();
    const penalties = new Penalties({ clock });
    for (let count = 0; count < 8; count++) penalties.add('mallory');
    expect(penalties.of('mallory')).toBe(8);
    expect(penalties.of('alice')).toBe(0);
    await clock.advance(300_000);
    expect(penalties.of('mallory')).toBeCloseTo(4);
    penalties.add('mallory');
    expect(penalties.of('mallory')).toBeCloseTo(5);
  });
});
