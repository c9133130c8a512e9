import { describe, expect, it } from 'vitest';
import { NetworkEmitter } from '../../../src/network/events.ts';
import { PeerTable } from '../../../src/network/peer-table.ts';
import type { PeerInfo } from '../../../src/network/types.ts';
import { silentLog } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** `late` answers when nobody waits for it any more. */
function setup(answers: (number | 'fails' | 'hangs' | 'late')[]) {
  const clock = new VirtualClock();
  const events = new NetworkEmitter(silentLog);
  /** Milliseconds that the loop is busy during each ping. */
  const state = { busy: 0, busyMs: 0 };
  const [measured, happened, pings, dropped]: [PeerInfo[], string[], number[], string[]] = [[], [], [], []];
  events.on('peer:measured', (peer) => measured.push(peer));
  events.on('peer:connect', (id) => happened.push(`connect ${id}`));
  events.on('peer:disconnect', (id) => happened.push(`disconnect ${id}`));
  const table = new PeerTable(
    {
      log: silentLog,
      clock,
      events,
      connections: () => [],
      busyMs: () => state.busyMs,
      ping: (_id, signal) => {
        state.busyMs += state.busy;
        pings.push(clock.monotonic());
        const answer = answers.shift() ?? 'fails';
        if (answer === 'hangs') {
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
          });
        }
        if (answer === 'late') {
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve(1));
          });
        }
        return answer === 'fails' ? Promise.reject(new Error('no answer')) : Promise.resolve(answer);
      },
      drop: (id) => dropped.push(id),
    },
    { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 },
  );
  return { clock, table, state, measured, happened, pings, dropped };
}

describe('the peer table', () => {
  it('pings closely at first and then at the interval, and takes the least', async () => {
    const { clock, table, measured, pings } = setup([100, 20, 30, 5]);
    table.connected('bob');
    await clock.advance(30_500);
    expect(pings).toEqual([0, 250, 500, 30_500]);
    expect(measured.map(({ roundTripMs }) => roundTripMs)).toEqual([100, 20, 20, 5]);
    expect(measured.map(({ ring }) => ring)).toEqual(['global', 'global', 'ring2', 'ring1']);
    expect(table.peer('bob')?.roundTripMs).toBe(5);
  });

  it('does not count a busy event loop as distance', async () => {
    const { clock, table, state, measured, pings } = setup([94, 60, 1, 1, 1]);
    state.busy = 50;
    table.connected('bob');
    await clock.advance(250);
    state.busy = 0;
    await clock.advance(750);
    expect(pings).toEqual([0, 250, 500, 750, 1_000]);
    expect(measured.map(({ roundTripMs }) => roundTripMs)).toEqual([null, null, 1, 1, 1]);
    expect(table.peer('bob')?.ring).toBe('ring1');
  });

  it('knows a peer before it is measured', () => {
    const { table, clock } = setup([1]);
    table.connected('bob');
    expect(table.peers()).toEqual([
      {
        nodeId: 'bob',
        addresses: [],
        direction: 'outbound',
        roundTripMs: null,
        ring: 'global',
        connectedAt: clock.now(),
      },
    ]);
    expect(table.has('bob')).toBe(true);
    expect(table.peer('carol')).toBeUndefined();
  });

  it('forgives one failed ping and drops after two', async () => {
    const { clock, table, dropped, pings } = setup([1, 1, 1, 'fails', 1, 'hangs', 'fails']);
    table.connected('bob');
    await clock.advance(90_500);
    expect(dropped).toEqual([]);
    await clock.advance(40_000);
    expect(pings).toEqual([0, 250, 500, 30_500, 60_500, 90_500, 130_500]);
    expect(dropped).toEqual(['bob']);
  });

  it('says once that a peer came and went, and stops pinging it', async () => {
    const { clock, table, happened, measured, dropped } = setup(['hangs']);
    table.connected('bob');
    table.connected('bob');
    table.disconnected('bob');
    table.disconnected('bob');
    await clock.advance(100_000);
    expect(happened).toEqual(['connect bob', 'disconnect bob']);
    expect(measured).toEqual([]);
    expect(dropped).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('measures nobody who went while the answer was on its way', async () => {
    const { clock, table, measured, pings } = setup(['late', 1]);
    table.connected('bob');
    await clock.advance(10);
    table.disconnected('bob');
    await clock.advance(100_000);
    expect(pings).toEqual([0]);
    expect(measured).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('forgets everybody at the end, and leaves no timer', async () => {
    const { clock, table, happened } = setup([1, 1]);
    table.connected('bob');
    table.connected('carol');
    await clock.advance(1_000);
    table.clear();
    expect(happened.slice(2)).toEqual(['disconnect bob', 'disconnect carol']);
    expect(clock.pendingTimers).toBe(0);
    expect(table.peers()).toEqual([]);
  });
});
