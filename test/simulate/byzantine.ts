import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { MARKET_TOPIC } from '../../protocols/common/v1/limits.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { identityOf } from '../../src/capsule/identity.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { ADVERTISE_INTERVAL_MS } from '../../src/market/advertiser.ts';
import type { MemoryHub } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';
import { silentLog } from '../support/database.ts';
import { leaseOf } from '../support/documents.ts';
import { resultBy } from '../support/hostile.ts';
import type { TestKey } from '../support/keys.ts';
import { CLAIMED } from './workload.ts';

/** What it does with an order, each as likely as the next. */
const DEEDS = [
  'honest',
  'honest',
  'invented',
  'silent',
  'accepts_only',
  'beats_for_ever',
  'declines_after_accept',
  'busy',
  'lying_verdict',
  'invalid_receipt',
  'wrong_input',
  'overcharges',
  'twice',
  'two_receipts',
  'made_up_progress',
  'replays',
  'unknown_later',
] as const;
type Deed = (typeof DEEDS)[number];

/** ms between two signs of life of a run that never ends, and how many it gives. */
const BEAT_MS = 5_000;
const BEATS = 40;
/** Orders of others that it keeps, to send them again. */
const KEPT_ORDERS = 64;

interface ByzantineParts {
  key: TestKey;
  clock: Clock;
  hub: MemoryHub;
  random: () => number;
  /** Node ids of the honest. */
  honest: readonly string[];
}

/** A peer that signs what it likes, answers as it likes, and pays when it likes. It follows no capsule through. */
export class Byzantine {
  readonly nodeId: string;
  readonly key: TestKey;
  readonly #parts: ByzantineParts;
  readonly #network: MemoryNetwork;
  readonly #orders: ExchangeMessageOf<'capsule_data'>[] = [];
  #sequence = 1;
  #epochs = 0;
  #stopped = false;

  constructor(parts: ByzantineParts) {
    this.#parts = parts;
    this.key = parts.key;
    this.nodeId = parts.key.nodeId;
    const { hub, clock } = parts;
    this.#network = new MemoryNetwork({ hub, clock, log: silentLog }, { nodeId: this.nodeId });
  }

  async start(): Promise<void> {
    await this.#network.start();
    this.#network.onMessage((from, message) => this.#onMessage(from, message));
    for (const peer of this.#parts.honest) await this.#network.dial(`/p2p/${peer}`).catch(() => {});
    this.#advertise();
  }

  /** It goes on to answer, but advertises no more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Orders a capsule of its own of an honest node, paid or not, and will answer the result as it likes. */
  order(capsule: Capsule): void {
    const to = this.#anybody();
    const now = this.#parts.clock.now();
    const lease = {
      executor: identityOf(to),
      epoch: 1 + (this.#epochs++ % 3),
      grantedAt: now,
      expiresAt: Math.min(now + 60_000, capsule.executionPolicy?.expiresAt ?? now + 60_000),
    };
    const assignment = leaseOf(capsule, lease, this.key);
    this.#say(to, { type: 'capsule_data', capsule, assignment });
    // And of another at the same time, under the same epoch.
    if (this.#chance(0.3)) this.#say(this.#anybody(), { type: 'capsule_data', capsule, assignment });
  }

  #onMessage(from: string, message: ExchangeMessage): void {
    switch (message.type) {
      case 'capability_query':
        return this.#say(from, { ...this.#advertisement(), exchangeId: message.exchangeId });
      case 'capsule_data':
        return message.assignment === undefined
          ? undefined
          : this.#onOrder(from, message, message.assignment);
      case 'capsule_result':
        return this.#onResult(from, message);
      case 'capsule_cancel':
        // Withheld, mostly.
        return this.#chance(0.3)
          ? this.#say(from, {
              type: 'capsule_accept',
              capsuleId: message.capsuleId,
              of: 'cancel',
              epoch: message.epoch,
            })
          : undefined;
      case 'capsule_result_request':
        return this.#chance(0.3)
          ? this.#decline(from, message.capsuleId, 'capsule_result_request', message.epoch ?? 1, 'not_found')
          : undefined;
      default:
        return;
    }
  }

  #onOrder(from: string, order: ExchangeMessageOf<'capsule_data'>, lease: Assignment): void {
    this.#orders.push(order);
    if (this.#orders.length > KEPT_ORDERS) this.#orders.shift();
    const deed = DEEDS[Math.floor(this.#parts.random() * DEEDS.length)] ?? 'silent';
    const { capsule } = order;
    const { epoch } = lease;
    const { id: capsuleId } = capsule;
    const accept = (): void => this.#say(from, { type: 'capsule_accept', capsuleId, of: 'order', epoch });
    const deliver = ({ signature, ...change }: Partial<Receipt> = {}, value = 0): void => {
      const now = this.#parts.clock.now();
      const times = { startedAt: now, finishedAt: now };
      const result = { number: value, by: 'byzantine' };
      const message = resultBy(this.key, capsule, lease, { ...times, ...change }, result);
      const receipt = { ...message.receipt, ...(signature !== undefined && { signature }) };
      this.#say(from, { ...message, receipt });
    };
    const later = (does: () => void): void =>
      void this.#parts.clock.after(5_000 * this.#parts.random(), does);
    this.#does(deed, { from, capsuleId, epoch, accept, deliver, later });
  }

  #does(
    deed: Deed,
    at: {
      from: string;
      capsuleId: string;
      epoch: number;
      accept: () => void;
      deliver: (change?: Partial<Receipt>, value?: number) => void;
      later: (does: () => void) => void;
    },
  ): void {
    const { from, capsuleId, epoch, accept, deliver, later } = at;
    const decline = (code: string): void => this.#decline(from, capsuleId, 'capsule_data', epoch, code);
    switch (deed) {
      case 'silent':
        return;
      case 'busy':
        return decline('busy');
      case 'lying_verdict':
        return decline(this.#chance(0.5) ? 'invalid_payload' : 'cancelled');
      default:
        accept();
    }
    switch (deed) {
      case 'honest':
      case 'invented':
        return later(() => deliver({}, deed === 'invented' ? 666 : 0));
      case 'beats_for_ever':
        return this.#beat(from, capsuleId, epoch, BEATS);
      case 'declines_after_accept':
        return later(() => decline(this.#chance(0.5) ? 'busy' : 'internal'));
      case 'invalid_receipt':
        return later(() => deliver({ signature: '0'.repeat(128) }));
      case 'wrong_input':
        return later(() => deliver({ inputHash: '0'.repeat(64) }));
      case 'overcharges':
        return later(() => deliver({ charge: 1_000 }));
      case 'twice':
        later(() => deliver());
        return later(() => deliver());
      case 'two_receipts':
        later(() => deliver({}, 1));
        return later(() => deliver({}, 2));
      case 'made_up_progress':
        for (const seq of [7, 3, 0]) {
          const word = { type: 'capsule_progress', capsuleId, epoch: epoch + seq, seq, delta: 'x' } as const;
          this.#say(from, word);
        }
        return later(() => deliver());
      case 'replays':
        return later(() => this.#replay());
      case 'unknown_later':
        return later(() => this.#decline(from, capsuleId, 'capsule_result_request', epoch, 'not_found'));
      default:
        return;
    }
  }

  /** As the payer of a result that it ordered. */
  #onResult(from: string, { capsuleId, receipt }: ExchangeMessageOf<'capsule_result'>): void {
    const lot = this.#parts.random();
    if (lot < 0.3) return;
    if (lot < 0.5) return this.#decline(from, capsuleId, 'capsule_result', receipt.epoch ?? 1, 'conflict');
    if (lot < 0.7)
      return this.#decline(from, capsuleId, 'capsule_result', receipt.epoch ?? 1, 'invalid_receipt');
    this.#say(from, { type: 'capsule_accept', capsuleId, of: 'result', epoch: receipt.epoch ?? 1 });
  }

  /** Sends an order that it was given to somebody else, as it came. */
  #replay(): void {
    const order = this.#orders[Math.floor(this.#parts.random() * this.#orders.length)];
    if (order !== undefined) this.#say(this.#anybody(), order);
  }

  #beat(to: string, capsuleId: string, epoch: number, left: number): void {
    if (left === 0) return;
    this.#say(to, { type: 'capsule_progress', capsuleId, epoch, seq: 0 });
    this.#parts.clock.after(BEAT_MS, () => this.#beat(to, capsuleId, epoch, left - 1));
  }

  #advertise(): void {
    if (this.#stopped) return;
    this.#network.publish(MARKET_TOPIC, this.#advertisement()).catch(() => {});
    this.#parts.clock.after(ADVERTISE_INTERVAL_MS, () => this.#advertise());
  }

  #advertisement(): Extract<ExchangeMessage, { type: 'capability_advertisement' }> {
    return {
      type: 'capability_advertisement',
      exchangeId: 'byzantine',
      nodeId: this.nodeId,
      encryptionKey: null,
      capabilities: CLAIMED.map((capabilityId) => ({
        capabilityId,
        price: 0,
        estimatedLatency: 0.01,
        locality: 'local',
        idempotent: capabilityId !== 'work.once',
      })),
      addresses: this.#network.addresses(),
      sequence: this.#sequence++,
      timestamp: this.#parts.clock.now(),
    };
  }

  #decline(to: string, capsuleId: string, of: string, epoch: number, code: string): void {
    this.#say(to, { type: 'capsule_decline', capsuleId, of, epoch, code, message: 'No.', load: 0 });
  }

  #say(to: string, message: ExchangeMessage): void {
    this.#network.send(to, message).catch(() => {
      // Kept apart, or down.
    });
  }

  #anybody(): string {
    const { honest, random } = this.#parts;
    return honest[Math.floor(random() * honest.length)] ?? this.nodeId;
  }

  #chance(part: number): boolean {
    return this.#parts.random() < part;
  }
}
