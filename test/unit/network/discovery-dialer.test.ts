import { describe, expect, it } from 'vitest';
import { DiscoveryDialer } from '../../../src/network/discovery-dialer.ts';
import { nodeIdOfSeed, seedOf, silentLog } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const [smaller = '', larger = ''] = [nodeIdOfSeed(seedOf(1)), nodeIdOfSeed(seedOf(2))].sort();

function setup(nodeId: string, maxWaiting = 10) {
  const clock = new VirtualClock();
  const connected = new Set<string>();
  const dials: [at: number, nodeId: string][] = [];
  const dialer = new DiscoveryDialer(
    {
      log: silentLog,
      clock,
      dial: async (peer) => {
        dials.push([clock.monotonic(), peer]);
        throw new Error('does not answer');
      },
      isConnected: (id) => connected.has(id),
    },
    { nodeId, maxWaiting },
  );
  const find = (id: string): void => dialer.found(id);
  return { clock, connected, dialer, dials, find };
}

describe('the discovery dialer', () => {
  it('dials at once from the smaller id, and patiently from the larger', async () => {
    const [first, second] = [setup(smaller), setup(larger)];
    first.find(larger);
    second.find(smaller);
    await Promise.all([first.clock.advance(10_000), second.clock.advance(10_000)]);
    expect(first.dials).toEqual([[0, larger]]);
    expect(second.dials).toEqual([[2_000, smaller]]);
  });

  it('does not dial when the other dialled meanwhile, nor itself, nor whom it has', async () => {
    const { clock, connected, dials, find } = setup(larger);
    find(larger);
    find(smaller);
    await clock.advance(1_000);
    connected.add(smaller);
    await clock.advance(10_000);
    find(smaller);
    await clock.advance(10_000);
    expect(dials).toEqual([]);
  });

  it('tries again when found again, and only then', async () => {
    const { clock, dials, find } = setup(smaller);
    find(larger);
    find(larger);
    await clock.advance(60_000);
    expect(dials).toHaveLength(1);
    find(larger);
    await clock.advance(1);
    expect(dials).toHaveLength(2);
  });

  it('lets only so many wait, and forgets them when stopped', async () => {
    const { clock, dialer, dials, find } = setup(smaller, 1);
    find(larger);
    find(nodeIdOfSeed(seedOf(3)));
    expect(clock.pendingTimers).toBe(1);
    dialer.stop();
    await clock.advance(10_000);
    expect(dials).toEqual([]);
  });
});
