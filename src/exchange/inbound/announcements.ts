import type { Logger } from 'pino';
import { announceTopic } from '../../../protocols/common/v1/limits.ts';
import type { Bid, CapsuleSummary, GossipMessage } from '../../../protocols/messages/v1/schema.ts';
import { isWholeMicro, toMicro } from '../../capsule/credits.ts';
import { identityOf, nodeIdOf } from '../../capsule/identity.ts';
import type { GossipVerdict } from '../../network/types.ts';
import type { ExchangeComponents } from '../components.ts';
import { trySend } from '../try-send.ts';

type Components = Pick<ExchangeComponents, 'engine' | 'network' | 'clock' | 'signer' | 'log'>;

/** Bids on what others announce. A node listens only to topics of capabilities that it offers. */
export class Announcements {
  readonly #components: Components;
  readonly #log: Logger;
  readonly #nodeId: string;
  readonly #topics = new Set<string>();
  #stopWatching: () => void = () => {};

  constructor(components: Components) {
    this.#components = components;
    this.#log = components.log;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  start(): void {
    this.#stopWatching = this.#components.engine.onOffersChanged(this.#followOffers);
    this.#followOffers();
  }

  stop(): void {
    this.#stopWatching();
    for (const topic of this.#topics) this.#components.network.unsubscribe(topic);
    this.#topics.clear();
  }

  readonly #followOffers = (): void => {
    const { engine, network } = this.#components;
    const wanted = new Set(engine.offers().map(({ capability }) => announceTopic(capability.id)));
    for (const topic of this.#topics) {
      if (wanted.has(topic)) continue;
      network.unsubscribe(topic);
      this.#topics.delete(topic);
    }
    for (const topic of wanted) {
      if (this.#topics.has(topic)) continue;
      this.#topics.add(topic);
      network.subscribe(topic, (from, message) => this.#judge(topic, from, message), this.#bid);
    }
  };

  /** The schema holds and the sender is who it says (network); what remains is whether it belongs here. */
  #judge(topic: string, from: string, message: GossipMessage): GossipVerdict {
    // [REJECT] Another message type, or a capability of another topic: no honest node sends that here.
    if (message.type !== 'capsule_announce') return 'reject';
    if (message.capsuleSummaries.some((summary) => announceTopic(summary.requestedCapability) !== topic))
      return 'reject';
    // [REJECT] An amount that no ledger can count.
    if (message.capsuleSummaries.some(({ amount }) => amount !== null && !isWholeMicro(amount)))
      return 'reject';
    // [IGNORE] Our own words coming back.
    return from === this.#nodeId ? 'ignore' : 'accept';
  }

  readonly #bid = (from: string, message: GossipMessage): void => {
    if (message.type !== 'capsule_announce') return;
    for (const summary of message.capsuleSummaries) {
      const bid = this.#bidFor(from, summary);
      if (bid === undefined) continue;
      const { network } = this.#components;
      void trySend({ network, log: this.#log }, from, {
        type: 'capsule_request',
        capsuleIds: [summary.id],
        bid,
      });
    }
  };

  #bidFor(from: string, summary: CapsuleSummary): Bid | undefined {
    const { engine, clock } = this.#components;
    const offer = engine.offer(summary.requestedCapability);
    // Whoever announces is the origin, or works for it.
    if (offer === undefined || !engine.hasRoom(summary.requestedCapability, identityOf(from)))
      return undefined;
    if (toMicro(offer.price) > toMicro(summary.amount ?? 0)) return undefined;
    if (summary.privacyRule !== 'public') return undefined;
    if (summary.expiresAt !== null && summary.expiresAt <= clock.now()) return undefined;
    const { price, estimatedLatency, idempotent } = offer;
    return { price, estimatedLatency, idempotent };
  }
}
