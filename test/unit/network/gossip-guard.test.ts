import { peerIdFromString } from '@libp2p/peer-id';
import { expect, it } from 'vitest';
import { guardGossip } from '../../../src/network/gossip-guard.ts';
import { nodeIdOfSeed, seedOf } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const [alice, mallory] = [1, 2].map((seed) => peerIdFromString(nodeIdOfSeed(seedOf(seed))));

function guarded() {
  const clock = new VirtualClock();
  const seen = { messages: 0, subscriptions: 0 };
  const pubsub = {
    async handleReceivedRpc(_from: unknown, rpc: { messages: unknown[]; subscriptions: unknown[] }) {
      seen.messages += rpc.messages.length;
      seen.subscriptions += rpc.subscriptions.length;
    },
  };
  guardGossip(pubsub, { clock, limits: { forwardedPerSecond: 10, rateBurstSeconds: 2 } });
  const rpc = (messages: number, subscriptions = 0) => ({
    messages: new Array(messages).fill(0),
    subscriptions: new Array(subscriptions).fill(0),
  });
  return { clock, pubsub, seen, rpc };
}

it('takes what one peer forwards at its rate, whoever wrote it', async () => {
  const { clock, pubsub, seen, rpc } = guarded();
  for (let count = 0; count < 10; count++) await pubsub.handleReceivedRpc(mallory, rpc(100));
  expect(seen.messages).toBe(20);
  await pubsub.handleReceivedRpc(alice, rpc(5));
  expect(seen.messages).toBe(25);
  await clock.advance(1_000);
  await pubsub.handleReceivedRpc(mallory, rpc(100));
  expect(seen.messages).toBe(35);
});

it('takes only so many changes of subscriptions', async () => {
  const { pubsub, seen, rpc } = guarded();
  for (let count = 0; count < 100; count++) await pubsub.handleReceivedRpc(mallory, rpc(0, 100));
  expect(seen.subscriptions).toBe(128);
});

it('refuses a gossipsub that it cannot bound', () => {
  const { clock } = guarded();
  const init = { clock, limits: { forwardedPerSecond: 10, rateBurstSeconds: 2 } };
  expect(() => guardGossip({}, init)).toThrow('no place');
});
