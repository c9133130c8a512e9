import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import type { Message, TopicValidatorFn } from '@libp2p/gossipsub';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { Gossip, type PubSub } from '../../../src/network/gossip.ts';
import { DEFAULT_NETWORK_LIMITS } from '../../../src/network/limits.ts';
import { Penalties } from '../../../src/network/penalties.ts';
import type { GossipVerdict } from '../../../src/network/types.ts';
import { advertisement, nodeIdOfSeed, seedOf, silentLog } from '../../support/network.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const TOPIC = '/capsule-mesh/1/market';
const keyOf = (seed: number) => publicKeyFromRaw(nodeCrypto.publicKey(seedOf(seed)));
const peerOf = (seed: number) => peerIdFromPublicKey(keyOf(seed));
const [SELF, RELAY] = [1, 3];

/** A subscribed node, and a way to let a message of `author` arrive from `source`. */
function setup(verdict: GossipVerdict = 'accept') {
  const clock = new VirtualClock();
  const penalties = new Penalties({ clock });
  const [cut, handled]: [string[], string[]] = [[], []];
  const topicValidators = new Map<string, TopicValidatorFn>();
  const pubsub: PubSub = {
    topicValidators,
    subscribe: () => {},
    unsubscribe: () => {},
    publish: async () => ({ recipients: [] }),
    getSubscribers: () => [],
  };
  const gossip = new Gossip(
    { log: silentLog, clock, penalties, cutOff: (nodeId) => cut.push(nodeId) },
    { nodeId: nodeIdOfSeed(seedOf(SELF)), limits: { ...DEFAULT_NETWORK_LIMITS, gossipPerSecond: 2 } },
  );
  gossip.subscribe(
    TOPIC,
    () => verdict,
    (from) => handled.push(from),
  );
  gossip.attach(pubsub);
  const arrive = (author: number, value: unknown, source = author) => {
    const message: Message = {
      type: 'signed',
      from: peerOf(author),
      topic: TOPIC,
      data: Buffer.from(JSON.stringify(value)),
      sequenceNumber: 1n,
      signature: new Uint8Array(64),
      key: keyOf(author),
    };
    return topicValidators.get(TOPIC)?.(peerOf(source), message);
  };
  const idOf = (seed: number): string => nodeIdOfSeed(seedOf(seed));
  const own = (author: number) => advertisement(idOf(author), 1);
  return { clock, gossip, penalties, cut, handled, topicValidators, arrive, idOf, own };
}

describe('gossip', () => {
  it.each(['accept', 'ignore', 'reject'] as const)('passes on the verdict %s', async (verdict) => {
    const { arrive, own, penalties, handled, idOf } = setup(verdict);
    expect(arrive(2, own(2), RELAY)).toBe(verdict);
    await settle();
    expect(handled).toEqual(verdict === 'accept' ? [idOf(2)] : []);
    expect(penalties.of(idOf(RELAY))).toBe(verdict === 'reject' ? 1 : 0);
    expect(penalties.of(idOf(2))).toBe(0);
  });

  it('blames who forwards garbage, and cuts off only who made it', () => {
    const { arrive, penalties, cut, idOf } = setup();
    expect(arrive(2, 'nonsense', RELAY)).toBe('reject');
    expect(penalties.of(idOf(RELAY))).toBe(1);
    expect(cut).toEqual([]);
    expect(arrive(2, 'nonsense')).toBe('reject');
    expect(cut).toEqual([idOf(2)]);
  });

  it('rejects a message in the name of another', () => {
    const { arrive, own, cut, idOf } = setup();
    expect(arrive(2, own(4))).toBe('reject');
    expect(cut).toEqual([idOf(2)]);
  });

  it('ignores what comes back from itself, unsigned messages and unknown types', async () => {
    const { arrive, own, topicValidators, handled, penalties, idOf } = setup();
    expect(arrive(SELF, own(SELF), RELAY)).toBe('ignore');
    expect(arrive(2, { type: 'weather_report' }, RELAY)).toBe('ignore');
    const unsigned: Message = { type: 'unsigned', topic: TOPIC, data: new Uint8Array() };
    expect(topicValidators.get(TOPIC)?.(peerOf(RELAY), unsigned)).toBe('ignore');
    await settle();
    expect(handled).toEqual([]);
    expect(penalties.of(idOf(RELAY))).toBe(0);
  });

  it('ignores an author above its rate, and nobody else', async () => {
    const { arrive, own, clock } = setup();
    const verdicts = Array.from({ length: 6 }, () => arrive(2, own(2)));
    expect(verdicts).toEqual(['accept', 'accept', 'accept', 'accept', 'accept', 'ignore']);
    expect(arrive(4, own(4))).toBe('accept');
    await clock.advance(500);
    expect(arrive(2, own(2))).toBe('accept');
  });

  it('joins topics that were subscribed to before it was attached, and forgets those left', () => {
    const { gossip, topicValidators } = setup();
    expect([...topicValidators.keys()]).toEqual([TOPIC]);
    gossip.unsubscribe(TOPIC);
    expect(topicValidators.size).toBe(0);
  });
});
