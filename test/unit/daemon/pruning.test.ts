import { beforeEach, describe, expect, it } from 'vitest';
import { Pruning } from '../../../src/daemon/pruning.ts';
import { silentLog } from '../../support/database.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const INTERVAL_MS = 600_000;

describe('Pruning', () => {
  let clock: VirtualClock;
  let turns: PromiseWithResolvers<number>[];
  let pruning: Pruning;
  beforeEach(() => {
    clock = new VirtualClock();
    turns = [];
    const prune = () => {
      const turn = Promise.withResolvers<number>();
      turns.push(turn);
      return turn.promise;
    };
    pruning = new Pruning({ capsules: { prune }, clock, log: silentLog }, {});
  });

  it('goes on in turns, one at a time, whatever becomes of one', async () => {
    await pruning.start();
    await clock.advance(3 * INTERVAL_MS);
    expect(turns).toHaveLength(1);
    turns[0]?.reject(new Error('the disk is broken'));
    await clock.advance(INTERVAL_MS);
    expect(turns).toHaveLength(2);
    turns[1]?.resolve(1);
    await clock.advance(INTERVAL_MS);
    expect(turns).toHaveLength(3);
  });

  it('stops when the turn that runs has ended, and leaves no timer', async () => {
    await pruning.start();
    await clock.advance(INTERVAL_MS);
    let stopped = false;
    const stop = pruning.stop().then(() => {
      stopped = true;
    });
    await clock.advance(0);
    expect(stopped).toBe(false);
    turns[0]?.resolve(0);
    await stop;
    expect(clock.pendingTimers).toBe(0);
  });
});
