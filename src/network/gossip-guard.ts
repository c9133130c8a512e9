import type { PeerId } from '@libp2p/interface';
import type { Clock } from '../lib/clock.ts';
import type { NetworkLimits } from './limits.ts';
import { type TokenBucket, TokenBuckets } from './token-bucket.ts';

/** Topics that a peer may join and leave in a second, on average, and at once when it comes. */
const SUBSCRIPTIONS = { perSecond: 8, burst: 128 };
/** Topics of one peer that are remembered; the mesh has one for the market and one for each family of capabilities. */
const TOPICS_PER_PEER = 64;
/** gossipsub's own charge for a topic, and a name of ours. */
const BYTES_PER_TOPIC = 1_024 + 160;

/** Options of gossipsub that bound what a peer can make this node hold and do. */
export const GOSSIP_BOUNDS = {
  maxTopicBytesPerPeer: TOPICS_PER_PEER * BYTES_PER_TOPIC,
  /** A peer that does not read what it subscribed to loses its stream at this many bytes. */
  maxOutboundBufferSize: 4_194_304,
  /** Most of each in one message between two gossipsubs; beyond, it is dropped unread. */
  decodeRpcLimits: {
    maxSubscriptions: 128,
    maxMessages: 1_024,
    maxIhaveMessageIDs: 5_000,
    maxIwantMessageIDs: 5_000,
    maxControlMessages: 256,
    maxIdontwantMessageIDs: 512,
    maxPeerInfos: 16,
  },
};

interface Rpc {
  messages: unknown[];
  subscriptions: unknown[];
}

type Receive = (from: PeerId, rpc: Rpc) => Promise<void>;

export interface GossipGuardComponents {
  clock: Clock;
  limits: Pick<NetworkLimits, 'forwardedPerSecond' | 'rateBurstSeconds'>;
}

/**
 * Bounds what one peer forwards and subscribes to, before gossipsub checks any signature: the rate of each author, which
 * `Gossip` keeps, does not hold against one peer that invents authors.
 */
export function guardGossip(pubsub: object, { clock, limits }: GossipGuardComponents): void {
  const receive = receiverOf(pubsub);
  const [messages, subscriptions] = [new TokenBuckets({ clock }), new TokenBuckets({ clock })];
  const { forwardedPerSecond: perSecond, rateBurstSeconds } = limits;
  const forwarded = { perSecond, burst: perSecond * rateBurstSeconds };
  const guarded: Receive = async (from, rpc) => {
    const peer = from.toString();
    rpc.messages = within(messages.of(peer, forwarded), rpc.messages);
    rpc.subscriptions = within(subscriptions.of(peer, SUBSCRIPTIONS), rpc.subscriptions);
    await receive(from, rpc);
  };
  Reflect.set(pubsub, 'handleReceivedRpc', guarded);
}

function within(bucket: TokenBucket, items: unknown[]): unknown[] {
  const taken = items.slice(0, Math.max(0, Math.floor(bucket.left)));
  bucket.take(taken.length);
  return taken;
}

/** Throws where this gossipsub is built another way: it must not run unguarded. */
function receiverOf(pubsub: object): Receive {
  const receive: unknown = Reflect.get(pubsub, 'handleReceivedRpc');
  if (typeof receive !== 'function') throw new Error('gossipsub has no place to bound what a peer forwards.');
  return async (from, rpc) => void (await Reflect.apply(receive, pubsub, [from, rpc]));
}
