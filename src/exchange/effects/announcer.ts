import type { Logger } from 'pino';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { announceTopic, LIMITS } from '../../../protocols/common/v1/limits.ts';
import type { Bid, CapsuleSummary } from '../../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { expiryOf } from '../../capsule/roles.ts';
import type { ExchangeComponents, ExchangeInit } from '../components.ts';

type Components = Pick<ExchangeComponents, 'network' | 'clock' | 'market' | 'signer' | 'log'>;

/** Longest pause between two announcements of one capsule, in milliseconds. */
const LONGEST_PAUSE_MS = 60_000;
/** Capsules that one node keeps announced: gossip carries what all nodes say. */
const MAX_ANNOUNCED = 1_024;

/** One capsule that is announced. */
interface Announced {
  summary: CapsuleSummary;
  capability: string;
  look: () => void;
  pauseMs: number;
  cancelPause: () => void;
  /** Set while bids are collected. */
  cancelWindow: (() => void) | undefined;
}

/**
 * Asks everybody when nobody is known (protocol "Announce flow"): up to 64 ids in one message, with pauses that grow.
 * Whoever bids becomes a provider, and the capsule looks again when the window for bids has passed.
 */
export class Announcer {
  readonly #components: Components;
  readonly #init: Pick<ExchangeInit, 'bidWindowMs' | 'announceIntervalMs'>;
  readonly #log: Logger;
  readonly #nodeId: string;
  readonly #announced = new Map<string, Announced>();
  /** Due in this tick, by topic. */
  readonly #due = new Map<string, Set<Announced>>();
  #cancelFlush: (() => void) | undefined;

  constructor(components: Components, init: Pick<ExchangeInit, 'bidWindowMs' | 'announceIntervalMs'>) {
    this.#components = components;
    this.#init = init;
    this.#log = components.log;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  /** Announces until the result is called; `look` is called after bids. */
  open(capsule: Capsule, look: () => void): () => void {
    const { id, requestedCapability: capability } = capsule;
    if (this.#announced.size >= MAX_ANNOUNCED) return () => {};
    const entry: Announced = {
      summary: summaryOf(capsule),
      capability,
      look,
      pauseMs: this.#init.announceIntervalMs,
      cancelPause: () => {},
      cancelWindow: undefined,
    };
    this.#announced.set(id, entry);
    this.#announce(entry);
    return () => {
      entry.cancelPause();
      entry.cancelWindow?.();
      for (const due of this.#due.values()) due.delete(entry);
      if (this.#announced.get(id) === entry) this.#announced.delete(id);
    };
  }

  isCollecting(capsuleId: string): boolean {
    return this.#announced.get(capsuleId)?.cancelWindow !== undefined;
  }

  /** A bid for something announced here; the first opens the window in which others are collected. */
  onBid(from: string, capsuleIds: readonly string[], bid: Bid): void {
    const { market, clock } = this.#components;
    for (const id of capsuleIds) {
      const entry = this.#announced.get(id);
      if (entry === undefined) continue;
      entry.cancelWindow ??= clock.after(this.#init.bidWindowMs, () => {
        entry.cancelWindow = undefined;
        entry.look();
      });
      market.noteBid(from, entry.capability, bid);
    }
  }

  #announce(entry: Announced): void {
    const { clock } = this.#components;
    const topic = announceTopic(entry.capability);
    const due = this.#due.get(topic) ?? new Set();
    due.add(entry);
    this.#due.set(topic, due);
    this.#cancelFlush ??= clock.after(0, this.#flush);
    entry.cancelPause = clock.after(entry.pauseMs, () => this.#announce(entry));
    entry.pauseMs = Math.min(2 * entry.pauseMs, LONGEST_PAUSE_MS);
  }

  readonly #flush = (): void => {
    this.#cancelFlush = undefined;
    for (const [topic, due] of this.#due) {
      const summaries = [...due].map(({ summary }) => summary);
      for (let start = 0; start < summaries.length; start += LIMITS.idsPerMessage)
        this.#publish(topic, summaries.slice(start, start + LIMITS.idsPerMessage));
    }
    this.#due.clear();
  };

  /** Whoever did not hear it hears the next one. */
  #publish(topic: string, capsuleSummaries: CapsuleSummary[]): void {
    const capsuleIds = capsuleSummaries.map(({ id }) => id);
    const announcement = {
      type: 'capsule_announce',
      nodeId: this.#nodeId,
      capsuleIds,
      capsuleSummaries,
    } as const;
    this.#components.network
      .publish(topic, announcement)
      .catch((error: unknown) => this.#log.debug({ topic, err: error }, 'Announcement reached nobody'));
  }
}

function summaryOf(capsule: Capsule): CapsuleSummary {
  return {
    id: capsule.id,
    requestedCapability: capsule.requestedCapability,
    privacyRule: capsule.privacyRule,
    amount: capsule.paymentRule?.amount ?? null,
    expiresAt: expiryOf(capsule),
    bytes: Buffer.byteLength(JSON.stringify(capsule)),
  };
}
