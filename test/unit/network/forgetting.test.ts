import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { expect, it } from 'vitest';
import { Forgetting } from '../../../src/network/forgetting.ts';
import { nodeIdOfSeed, seedOf, silentLog } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

it('forgets those who have gone once a minute, in spite of a failure, until it stops', async () => {
  const clock = new VirtualClock();
  const ids = [1, 2, 3].map((seed) => nodeIdOfSeed(seedOf(seed)));
  const known = new Set(ids);
  let failures = 1;
  const forgetting = new Forgetting({
    log: silentLog,
    clock,
    records: () => ({
      all: async () => {
        if (failures-- > 0) throw new Error('busy');
        return [...known].map((id) => ({ id: peerIdFromString(id) }));
      },
      delete: async (peer: PeerId) => void known.delete(peer.toString()),
    }),
    isConnected: (nodeId) => nodeId === ids[1],
  });
  forgetting.start();
  await clock.advance(60_000);
  expect(known.size).toBe(3);
  await clock.advance(60_000);
  expect([...known]).toEqual([ids[1]]);
  forgetting.stop();
  expect(clock.pendingTimers).toBe(0);
});
