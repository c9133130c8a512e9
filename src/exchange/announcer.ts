import type { Logger } from 'pino';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { announceTopic } from '../../protocols/common/v1/limits.ts';
import type { Bid, CapsuleSummary, GossipMessage } from '../../protocols/messages/v1/schema.ts';
import { isWholeMicro, toMicro } from '../capsule/credits.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import type { GossipVerdict } from '../network/types.ts';
import type { ExchangeComponents } from './components.ts';
import { trySend } from './try-send.ts';

type Components = Pick<ExchangeComponents, 'engine' | 'network' | 'clock' | 'signer' | 'log'>;

/**
 * Asks everybody when nobody is known, and answers those who ask with a bid (protocol "Announce flow"). A node
 * listens only to topics of capabilities that it offers.
 */
export class Announcer {
  readonly #engine: Components['engine'];
  readonly #network: Components['network'];
  readonly #clock: Components['clock'];
  readonly #log: Logger;
  readonly #nodeId: string;
  readonly #topics = new Set<string>();
  #stopWatching: () => void = () => {};

  constructor({ engine, network, clock, signer, log }: Components) {
    this.#engine = engine;
    this.#network = network;
    this.#clock = clock;
    this.#log = log;
    this.#nodeId = nodeIdOf(signer.identity);
  }

  start(): void {
    this.#stopWatching = this.#engine.onOffersChanged(this.#followOffers);
    this.#followOffers();
  }

  stop(): void {
    this.#stopWatching();
    for (const topic of this.#topics) this.#network.unsubscribe(topic);
    this.#topics.clear();
  }

  /** Never rejects: whoever did not hear it hears the next one. */
  async announce(capsule: Capsule): Promise<void> {
    const summary: CapsuleSummary = {
      id: capsule.id,
      requestedCapability: capsule.requestedCapability,
      privacyRule: capsule.privacyRule,
      amount: capsule.paymentRule?.amount ?? null,
      expiresAt: capsule.executionPolicy?.expiresAt ?? null,
      bytes: Buffer.byteLength(JSON.stringify(capsule)),
    };
    const topic = announceTopic(capsule.requestedCapability);
    try {
      await this.#network.publish(topic, {
        type: 'capsule_announce',
        nodeId: this.#nodeId,
        capsuleIds: [capsule.id],
        capsuleSummaries: [summary],
      });
    } catch (error) {
      this.#log.debug({ topic, error }, 'Announcement reached nobody');
    }
  }

  readonly #followOffers = (): void => {
    const wanted = new Set(this.#engine.offers().map(({ capability }) => announceTopic(capability.id)));
    for (const topic of this.#topics) {
      if (wanted.has(topic)) continue;
      this.#network.unsubscribe(topic);
      this.#topics.delete(topic);
    }
    for (const topic of wanted) {
      if (this.#topics.has(topic)) continue;
      this.#topics.add(topic);
      this.#network.subscribe(topic, (from, message) => this.#judge(topic, from, message), this.#bid);
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
      const bid = this.#bidFor(summary);
      if (bid === undefined) continue;
      const exchangeId = summary.id.slice(0, 16);
      const capsuleIds = [summary.id];
      const parts = { network: this.#network, log: this.#log };
      void trySend(parts, from, { type: 'capsule_request', exchangeId, capsuleIds, bid });
    }
  };

  #bidFor(summary: CapsuleSummary): Bid | undefined {
    const offer = this.#engine.offer(summary.requestedCapability);
    if (offer === undefined || !this.#engine.hasRoom(summary.requestedCapability)) return undefined;
    if (toMicro(offer.price) > toMicro(summary.amount ?? 0)) return undefined;
    if (summary.privacyRule !== 'public') return undefined;
    if (summary.expiresAt !== null && summary.expiresAt <= this.#clock.now()) return undefined;
    const { price, estimatedLatency, capability, detail } = offer;
    const bid = { price, estimatedLatency, idempotent: capability.idempotent };
    return detail === undefined ? bid : { ...bid, detail };
  }
}
