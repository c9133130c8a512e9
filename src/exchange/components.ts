import type { Logger } from 'pino';
import type { Bid, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Engine } from '../engine/types.ts';
import type { Ledger } from '../ledger/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import type { FaultPoints } from '../lib/fault-points.ts';
import type { PeerHealth, Scheduler } from '../market/types.ts';
import type { Network } from '../network/types.ts';
import type { CapsuleStore, Database } from '../store/types.ts';

/** What the exchange asks of the market beside choosing. */
export interface Market {
  /** Someone offered to execute an announced capsule: a provider for the next choice. */
  noteBid(nodeId: string, capabilityId: string, bid: Bid): void;
  handleQuery(from: string, message: ExchangeMessageOf<'capability_query'>): void;
  handleAdvertisement(from: string, message: ExchangeMessageOf<'capability_advertisement'>): void;
}

/** Everything the parts of the exchange share. Each part's constructor picks what it uses. */
export interface ExchangeComponents {
  signer: Signer;
  crypto: Crypto;
  clock: Clock;
  db: Database;
  capsules: CapsuleStore;
  engine: Pick<Engine, 'handleIntent' | 'offer' | 'offers' | 'hasRoom' | 'load' | 'onOffersChanged'>;
  scheduler: Scheduler;
  health: PeerHealth;
  market: Market;
  ledger: Ledger;
  network: Network;
  faults: FaultPoints;
  log: Logger;
}

/** Durations in milliseconds (configuration section `exchange`). */
export interface ExchangeInit {
  /** How long a lease holds without a heartbeat. */
  leaseMs: number;
  heartbeatMs: number;
  /** How long a lost connection or an overdue heartbeat is forgiven before the next provider is asked. */
  graceMs: number;
  /** How long an order may go unanswered. */
  acceptTimeoutMs: number;
  /** How long bids are collected after the first. */
  bidWindowMs: number;
  /** How long an announcement waits for a first bid before it is repeated. */
  announceIntervalMs: number;
  /** How long a provider is sought for a capsule whose policy sets no `expiresAt`. */
  searchMs: number;
  /** Retries for a capsule whose policy says nothing. */
  maxRetries: number;
  /** Capsules coordinated at a time; more are refused as `busy`. */
  maxActive: number;
}

export const DEFAULT_EXCHANGE_INIT: ExchangeInit = {
  leaseMs: 30_000,
  heartbeatMs: 10_000,
  graceMs: 2_000,
  acceptTimeoutMs: 5_000,
  bidWindowMs: 250,
  announceIntervalMs: 2_000,
  searchMs: 10_000,
  maxRetries: 2,
  maxActive: 4_096,
};
