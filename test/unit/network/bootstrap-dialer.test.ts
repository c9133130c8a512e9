import { describe, expect, it } from 'vitest';
import { BootstrapDialer } from '../../../src/network/bootstrap-dialer.ts';
import { silentLog } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** One address that answers when `up`; records when it was dialled. */
function setup(addresses = ['/a']) {
  const clock = new VirtualClock();
  const connected = new Set<string>();
  const state = { up: true, gone: false, dials: [] as number[] };
  const dialer = new BootstrapDialer(
    {
      log: silentLog,
      clock,
      dial: async (address) => {
        state.dials.push(clock.monotonic());
        if (!state.up) throw new Error('down');
        if (!state.gone) connected.add(`node${address}`);
        return `node${address}`;
      },
      isConnected: (nodeId) => connected.has(nodeId),
    },
    { addresses },
  );
  const disconnect = (nodeId: string): void => {
    connected.delete(nodeId);
    dialer.disconnected(nodeId);
  };
  return { clock, dialer, state, disconnect };
}

describe('the bootstrap dialer', () => {
  it('dials each address once at start', async () => {
    const { clock, dialer, state } = setup(['/a', '/b', '/a']);
    dialer.start();
    await clock.advance(600_000);
    expect(state.dials).toEqual([0, 0]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('tries again with back-off up to a minute, for as long as it takes', async () => {
    const { clock, dialer, state } = setup();
    state.up = false;
    dialer.start();
    await clock.advance(240_000);
    expect(state.dials).toEqual([0, 2_000, 6_000, 14_000, 30_000, 62_000, 122_000, 182_000]);
    state.up = true;
    await clock.advance(120_000);
    expect(state.dials).toHaveLength(9);
    expect(clock.pendingTimers).toBe(0);
  });

  it('dials again soon after the connection is lost', async () => {
    const { clock, dialer, state, disconnect } = setup();
    dialer.start();
    await clock.advance(10_000);
    disconnect('node/a');
    disconnect('somebody else');
    await clock.advance(1_000);
    expect(state.dials).toEqual([0, 11_000]);
  });

  it('dials again where it went between answering and being known here', async () => {
    const { clock, dialer, state } = setup();
    state.gone = true;
    dialer.start();
    await clock.advance(10);
    state.gone = false;
    await clock.advance(100_000);
    expect(state.dials).toHaveLength(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not dial a node that came back by itself', async () => {
    const { clock, dialer, state } = setup();
    dialer.start();
    await clock.advance(10);
    dialer.disconnected('node/a');
    await clock.advance(10_000);
    expect(state.dials).toEqual([0]);
  });

  it('leaves no timer behind when stopped', async () => {
    const { clock, dialer, state, disconnect } = setup();
    state.up = false;
    dialer.start();
    await clock.advance(10);
    dialer.stop();
    expect(clock.pendingTimers).toBe(0);
    disconnect('node/a');
    await clock.advance(100_000);
    expect(state.dials).toHaveLength(1);
  });
});
