import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { PeerId } from '@libp2p/interface';
import type { Logger } from 'pino';
import type { GossipMessage } from '../../protocols/messages/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { decodeGossip, encodeMessage } from './codec.ts';
import type { NetworkLimits } from './limits.ts';
import type { Penalties } from './penalties.ts';
import { TokenBuckets } from './token-bucket.ts';
import type { GossipSubscription, GossipVerdict } from './types.ts';

export interface GossipComponents {
  log: Logger;
  clock: Clock;
  penalties: Penalties;
  /** Closes every connection to the peer and refuses it for a while. */
  cutOff: (nodeId: string, reason: string) => void;
}

/** What is used of gossipsub. */
export type PubSub = Pick<
  GossipSub,
  'topicValidators' | 'subscribe' | 'unsubscribe' | 'publish' | 'getSubscribers'
>;

const RESULTS: Record<GossipVerdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
};

/** Topics (protocol "Messages"): every message is checked before it is handled or forwarded. */
export class Gossip {
  readonly #components: GossipComponents;
  readonly #nodeId: string;
  readonly #limits: NetworkLimits;
  readonly #subscriptions = new Map<string, GossipSubscription>();
  readonly #rates: TokenBuckets;
  #pubsub: PubSub | null = null;

  constructor(components: GossipComponents, init: { nodeId: string; limits: NetworkLimits }) {
    this.#components = components;
    this.#nodeId = init.nodeId;
    this.#limits = init.limits;
    this.#rates = new TokenBuckets(components);
  }

  /** Joins the topics subscribed to so far. */
  attach(pubsub: PubSub): void {
    this.#pubsub = pubsub;
    for (const topic of this.#subscriptions.keys()) this.#join(pubsub, topic);
  }

  detach(): void {
    this.#pubsub = null;
  }

  subscribe(
    topic: string,
    validate: GossipSubscription['validate'],
    handle: GossipSubscription['handle'],
  ): void {
    this.#subscriptions.set(topic, { validate, handle });
    if (this.#pubsub !== null) this.#join(this.#pubsub, topic);
  }

  unsubscribe(topic: string): void {
    if (!this.#subscriptions.delete(topic)) return;
    this.#pubsub?.unsubscribe(topic);
    this.#pubsub?.topicValidators.delete(topic);
  }

  async publish(topic: string, message: GossipMessage): Promise<void> {
    const bytes = encodeMessage(message, this.#limits.gossipBytes);
    if (this.#pubsub === null) throw new MeshError('unreachable', 'The network is not running.');
    await this.#pubsub.publish(topic, bytes);
  }

  subscribers(topic: string): number {
    return this.#pubsub?.getSubscribers(topic).length ?? 0;
  }

  #join(pubsub: PubSub, topic: string): void {
    pubsub.topicValidators.set(topic, (source, message) => this.#judge(topic, source, message));
    pubsub.subscribe(topic);
  }

  /** [IGNORE] unsigned, unsubscribed, above the author's rate, unknown type; [REJECT] garbage, another's name. */
  #judge(topic: string, source: PeerId, message: Message): TopicValidatorResult {
    const subscription = this.#subscriptions.get(topic);
    if (message.type !== 'signed' || subscription === undefined) return RESULTS.ignore;
    const author = message.from.toString();
    if (author === this.#nodeId || !this.#withinRate(author)) return RESULTS.ignore;
    const decoded = decodeGossip(message.data, this.#limits.gossipBytes);
    if (decoded.kind === 'unknown') return RESULTS.ignore;
    if (decoded.kind === 'garbage') return this.#reject(source, author, decoded.reason);
    if (decoded.message.nodeId !== author) {
      return this.#reject(source, author, 'A gossip message names another node than its author.');
    }
    return this.#ask(subscription, source, author, decoded.message);
  }

  #ask(subscription: GossipSubscription, source: PeerId, author: string, message: GossipMessage) {
    try {
      const deliverer = source.toString();
      const verdict = subscription.validate(author, message, deliverer);
      if (verdict === 'reject') this.#components.penalties.add(deliverer);
      if (verdict === 'accept') queueMicrotask(() => this.#handle(subscription, author, message, deliverer));
      return RESULTS[verdict];
    } catch (error) {
      this.#components.log.error({ err: error, peer: author, type: message.type }, 'Judging gossip failed');
      return RESULTS.ignore;
    }
  }

  #handle(subscription: GossipSubscription, author: string, message: GossipMessage, deliverer: string): void {
    try {
      subscription.handle(author, message, deliverer);
    } catch (error) {
      this.#components.log.error({ err: error, peer: author, type: message.type }, 'Handling gossip failed');
    }
  }

  /** Who forwards garbage loses score; who made it, and sends it itself, its connection. */
  #reject(source: PeerId, author: string, reason: string): TopicValidatorResult {
    const peer = source.toString();
    this.#components.penalties.add(peer);
    if (peer === author) this.#components.cutOff(peer, reason);
    return RESULTS.reject;
  }

  #withinRate(author: string): boolean {
    const { gossipPerSecond, rateBurstSeconds } = this.#limits;
    const rate = this.#rates.of(author, {
      perSecond: gossipPerSecond,
      burst: gossipPerSecond * rateBurstSeconds,
    });
    if (rate.waitMs() > 0) return false;
    rate.take(1);
    return true;
  }
}
