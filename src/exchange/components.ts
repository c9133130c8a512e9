import type { Logger } from 'pino';
import type { Bid, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Engine } from '../engine/types.ts';
import type { Ledger } from '../ledger/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import type { FaultPoints } from '../lib/fault-points.ts';
import type { ChangeFeed } from '../market/change-feed.ts';
import type { PeerHealth, Scheduler } from '../market/types.ts';
import type { Network } from '../network/types.ts';
import type { CapsuleStore, Database } from '../store/types.ts';
import type { Limits } from './machine/draft.ts';
import type { Life, Share } from './machine/state.ts';

/** What the exchange asks of the market beside choosing. */
export interface Market {
  /** Someone offered to execute an announced capsule: a provider for the next choice. */
  noteBid(nodeId: string, capabilityId: string, bid: Bid): void;
  handleQuery(from: string, message: ExchangeMessageOf<'capability_query'>): void;
  handleAdvertisement(from: string, message: ExchangeMessageOf<'capability_advertisement'>): void;
}

export type Capsules = CapsuleStore<Life>;

/** What the composition root hands to the exchange; each part's constructor names what it uses of it. */
export interface ExchangeComponents {
  signer: Signer;
  crypto: Crypto;
  clock: Clock;
  db: Database;
  capsules: Capsules;
  engine: Pick<
    Engine,
    'handleIntent' | 'admit' | 'hasRoom' | 'offer' | 'offers' | 'load' | 'onOffersChanged' | 'onRoom'
  >;
  scheduler: Scheduler;
  health: PeerHealth;
  market: Market;
  /** Tells that capsules that wait for a capability may find somebody now. */
  changes: Pick<ChangeFeed, 'onChanged'>;
  ledger: Ledger;
  network: Network;
  /** Whose share of this node an identity's work counts against. */
  standing: (identity: string) => Share;
  faults: FaultPoints;
  log: Logger;
}

/** Durations in milliseconds (configuration section `exchange`). */
export interface ExchangeInit extends Limits {
  /** How long bids are collected after the first. */
  bidWindowMs: number;
  /** First pause before an announcement is repeated; it doubles. */
  announceIntervalMs: number;
  /** Capsules in hand: coordinated, run, or owing a delivery. */
  maxActive: number;
}

export const DEFAULT_EXCHANGE_INIT: ExchangeInit = {
  heartbeatMs: 10_000,
  graceMs: 2_000,
  maxRunMs: 3_600_000,
  acceptTimeoutMs: 5_000,
  searchMs: 120_000,
  hopelessMs: 2_000,
  learnMs: 30_000,
  retryMs: 1_000,
  deliverMs: 7 * 86_400_000,
  deliverStrangerMs: 3_600_000,
  maxRetries: 2,
  bidWindowMs: 250,
  announceIntervalMs: 2_000,
  maxActive: 4_096,
};
