import type { Logger } from 'pino';
import { MARKET_TOPIC } from '../../protocols/common/v1/limits.ts';
import type {
  Bid,
  CapabilityAdvertisement,
  ExchangeMessage,
  ExchangeMessageOf,
  GossipMessage,
} from '../../protocols/messages/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { GossipVerdict, Network, PeerInfo } from '../network/types.ts';
import { advertisementOf, type OffersSource } from './advertisement.ts';
import { type Standing, standingOf } from './entry.ts';
import { HeardSessions } from './heard-sessions.ts';
import type { OwnSession } from './own-session.ts';
import { PeerClocks } from './peer-clocks.ts';
import { PeerRates } from './peer-rates.ts';
import type { ProviderTable } from './provider-table.ts';
import type { PeerHealth } from './types.ts';

export const ADVERTISE_INTERVAL_MS = 60_000;
/** Shortest time between two advertisements: a burst of changes is one message. */
export const MIN_GAP_MS = 250;
/** From meeting a peer until advertising to those behind it: its subscriptions arrive meanwhile. */
export const NEWCOMER_DELAY_MS = 1_000;
/** Shortest time between an advertisement and one for a new peer: many that come at once are one message. */
export const NEWCOMER_GAP_MS = 3_000;
/** By how much of itself an interval may be shorter, so that nodes started together drift apart. */
const JITTER = 0.1;
/** How long a stop waits for its goodbye to leave. */
const GOODBYE_MS = 1_000;
/** Gossip learns only some time after a connection that a peer listens; until then it is told directly as well. */
export const NEW_PEER_MS = 10_000;
/** Questions answered, for each peer and in all: an honest peer asks once when it connects. An answer is up to 64 KiB. */
export const ANSWERS = { each: { perSecond: 0.2, burst: 4 }, all: { perSecond: 50, burst: 200 } } as const;
/** Direct advertisements read: an honest peer sends one for each change in its first seconds, and answers. */
export const DIRECT = { each: { perSecond: 1, burst: 40 }, all: { perSecond: 200, burst: 1_000 } } as const;
/** How long an answer is used again; only latencies may be older than that. */
const ANSWER_MS = 1_000;

export interface AdvertiserComponents {
  network: Pick<
    Network,
    | 'nodeId'
    | 'addresses'
    | 'peers'
    | 'peer'
    | 'isConnected'
    | 'learn'
    | 'send'
    | 'subscribe'
    | 'unsubscribe'
    | 'publish'
    | 'showSessions'
    | 'on'
    | 'off'
  >;
  offers: OffersSource;
  table: Pick<ProviderTable, 'apply' | 'noteOffer' | 'updatePeer' | 'orderOf'>;
  health: Pick<PeerHealth, 'heardOf'>;
  clock: Clock;
  /** From 0 to below 1. */
  random: () => number;
  log: Logger;
}

export interface AdvertiserInit {
  intervalMs?: number;
  /** This run, which is told with each advertisement and whose sequences lie above those of all before. */
  session?: Pick<OwnSession, 'sign' | 'firstSequence'>;
}

/** Says what this node offers, and hears what others do (protocol "Messages"). Start it after the network. */
export class Advertiser implements Startable {
  readonly #parts: AdvertiserComponents;
  readonly #intervalMs: number;
  /** Of the last advertisement that was published. */
  #sequence: number;
  readonly #session: AdvertiserInit['session'];
  readonly #sessions: HeardSessions;
  readonly #clocks: PeerClocks;
  #running = false;
  /** Another node goes by this one's name. */
  #silent = false;
  #publishedAt = Number.NEGATIVE_INFINITY;
  #timer: { at: number; cancel: () => void } | undefined;
  #stopListening: () => void = () => {};
  #exchanges = 0;
  /** Peers that gossip may not know yet, with the monotonic time of their coming; bounded by the connections. */
  readonly #newcomers = new Map<string, number>();
  readonly #answers: PeerRates;
  readonly #direct: PeerRates;
  /** What a question is answered with, and until when, in monotonic milliseconds. */
  #answer: { message: CapabilityAdvertisement; until: number } | undefined;

  constructor(components: AdvertiserComponents, init: AdvertiserInit = {}) {
    this.#parts = components;
    this.#intervalMs = init.intervalMs ?? ADVERTISE_INTERVAL_MS;
    this.#session = init.session;
    this.#sequence = init.session?.firstSequence ?? 0;
    this.#sessions = new HeardSessions(components);
    const isConnected = (nodeId: string) => components.network.isConnected(nodeId);
    this.#clocks = new PeerClocks({ ...components, isConnected });
    this.#answers = new PeerRates(components, ANSWERS);
    this.#direct = new PeerRates(components, DIRECT);
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { network, offers } = this.#parts;
    network.subscribe(MARKET_TOPIC, this.#validate, this.#receive);
    network.on('peer:connect', this.#onConnect);
    network.on('peer:measured', this.#onMeasured);
    this.#stopListening = offers.onOffersChanged(this.#onOffersChanged);
    const advertised = this.#advertise();
    for (const peer of network.peers()) this.#onConnect(peer.nodeId);
    await advertised;
  }

  /** Says nothing more, not even goodbye: another node speaks under this one's name. */
  silence(): void {
    this.#silent = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Advertises at once under a sequence above one that another node used under this one's name. */
  outdo(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence);
    for (const { nodeId } of this.#parts.network.peers())
      this.#newcomers.set(nodeId, this.#parts.clock.monotonic());
    this.#advertiseIn(0);
  }

  /** What a person should know of the peers' clocks. */
  warnings(): string[] {
    return this.#clocks.warnings();
  }

  /** Says goodbye, and gives that a second to leave. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    const { network, clock } = this.#parts;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#stopListening();
    network.off('peer:connect', this.#onConnect);
    network.off('peer:measured', this.#onMeasured);
    const { promise: overdue, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(GOODBYE_MS, resolve);
    await Promise.race([this.#publish(), overdue]);
    cancel();
    network.unsubscribe(MARKET_TOPIC);
  }

  /** Answers with what is offered now, under the sequence last published: gossip must not look like a replay of it. */
  handleQuery(from: string, { exchangeId }: ExchangeMessageOf<'capability_query'>): void {
    if (!this.#running || this.#silent || !this.#answers.admits(from)) return;
    const now = this.#parts.clock.monotonic();
    if (this.#answer === undefined || this.#answer.until <= now) {
      this.#answer = { message: this.#message(), until: now + ANSWER_MS };
    }
    this.#send(from, { ...this.#answer.message, exchangeId });
  }

  /** A direct answer. One that speaks for another node is dropped, and so is one beyond its rate. */
  handleAdvertisement(from: string, message: ExchangeMessageOf<'capability_advertisement'>): void {
    if (from !== message.nodeId || !this.#direct.admits(from)) return;
    this.#clocks.heard(from, message.timestamp);
    this.#sessions.hear(message);
    this.#apply(message, { deliverer: from, direct: true });
  }

  /** A bid makes its sender a provider until its next advertisement says otherwise. */
  noteBid(nodeId: string, capabilityId: string, bid: Bid): void {
    if (nodeId === this.#parts.network.nodeId) return;
    this.#parts.table.noteOffer(nodeId, { capabilityId, ...bid }, this.#standing(nodeId));
  }

  readonly #validate = (from: string, message: GossipMessage): GossipVerdict => {
    // [REJECT] The market topic carries advertisements only.
    if (message.type !== 'capability_advertisement') return 'reject';
    // [REJECT] A node speaks for itself; the network has authenticated the sender.
    if (message.nodeId !== from) return 'reject';
    // [IGNORE] One's own, back from a peer.
    if (from === this.#parts.network.nodeId) return 'ignore';
    // [IGNORE] Older than what is known: a late or replayed message, which its sender may not have sent again. The
    // same sequence passes, since a direct answer may have brought it here before gossip did.
    this.#sessions.hear(message);
    return this.#parts.table.orderOf(message, { direct: false }) === 'earlier' ? 'ignore' : 'accept';
  };

  readonly #receive = (from: string, message: GossipMessage, deliverer: string): void => {
    if (message.type === 'capability_advertisement') this.#apply(message, { deliverer, direct: false });
    if (from === deliverer) this.#parts.health.heardOf(from);
  };

  readonly #onConnect = (nodeId: string): void => {
    const standing = this.#standing(nodeId);
    if (standing !== undefined) this.#parts.table.updatePeer(nodeId, standing);
    this.#send(nodeId, { type: 'capability_query', exchangeId: this.#nextExchangeId() });
    const now = this.#parts.clock.monotonic();
    this.#newcomers.set(nodeId, now);
    this.#advertiseIn(Math.max(NEWCOMER_DELAY_MS, this.#publishedAt + NEWCOMER_GAP_MS - now));
  };

  readonly #onMeasured = (peer: PeerInfo): void => {
    this.#parts.table.updatePeer(peer.nodeId, standingOf(peer));
  };

  readonly #onOffersChanged = (): void => {
    this.#answer = undefined;
    this.#advertiseIn(this.#publishedAt + MIN_GAP_MS - this.#parts.clock.monotonic());
  };

  /** Advertises after `ms`, or sooner if it was going to. */
  #advertiseIn(ms: number): void {
    const { clock } = this.#parts;
    const at = clock.monotonic() + Math.max(0, ms);
    if (!this.#running || this.#silent || (this.#timer !== undefined && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    this.#timer = { at, cancel: clock.after(ms, () => void this.#advertise()) };
  }

  async #advertise(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#advertiseIn(this.#intervalMs * (1 - JITTER * this.#parts.random()));
    await this.#publish();
  }

  async #publish(): Promise<void> {
    const { network, clock, log } = this.#parts;
    if (this.#silent) return;
    this.#sequence++;
    this.#answer = undefined;
    this.#publishedAt = clock.monotonic();
    const message = this.#message();
    for (const [nodeId, since] of this.#newcomers) {
      if (this.#publishedAt - since >= NEW_PEER_MS || !network.isConnected(nodeId))
        this.#newcomers.delete(nodeId);
      else this.#send(nodeId, { ...message, exchangeId: this.#nextExchangeId() });
    }
    try {
      await network.publish(MARKET_TOPIC, message);
    } catch (error) {
      log.debug(
        { err: error, offers: message.capabilities.length },
        'An advertisement could not be published',
      );
    }
  }

  #nextExchangeId(): string {
    return `market-${++this.#exchanges}`;
  }

  /** Says all that is offered now; of a node that stops nothing, and no address either. */
  #message(): CapabilityAdvertisement {
    const { network, offers, clock } = this.#parts;
    const heading = { nodeId: network.nodeId, sequence: this.#sequence, timestamp: clock.now() };
    const told = { ...heading, ...(this.#session && { session: this.#session.sign(heading) }) };
    if (!this.#running) return advertisementOf({ ...told, offers: [] });
    return advertisementOf({ ...told, offers: offers.offers(), addresses: network.addresses() });
  }

  #apply(message: CapabilityAdvertisement, by: { deliverer: string; direct: boolean }): void {
    if (message.nodeId === this.#parts.network.nodeId) return;
    const outcome = this.#parts.table.apply(message, this.#standing(message.nodeId), by);
    const { nodeId, sequence, capabilities, addresses } = message;
    this.#parts.log.trace(
      { nodeId, sequence, offers: capabilities.length, outcome },
      'Heard an advertisement',
    );
    if (outcome === 'applied' && addresses !== undefined && !this.#parts.network.isConnected(nodeId)) {
      this.#parts.network.learn(nodeId, addresses);
    }
  }

  #standing(nodeId: string): Standing | undefined {
    const peer = this.#parts.network.peer(nodeId);
    return peer === undefined ? undefined : standingOf(peer);
  }

  #send(to: string, message: ExchangeMessage): void {
    this.#parts.network.send(to, message).catch((error: unknown) => {
      this.#parts.log.debug(
        { err: error, nodeId: to, type: message.type },
        'A market message could not be sent',
      );
    });
  }
}
