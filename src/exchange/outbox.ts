import type { Logger } from 'pino';
import type {
  ExchangeMessage,
  ExchangeMessageOf,
  SpawnedCapsule,
} from '../../protocols/messages/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Network } from '../network/types.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { CapsuleRecord, CapsuleStore, Database, StoredResult, Transaction } from '../store/types.ts';
import type { ExchangeComponents } from './components.ts';
import { hasEnded } from './records.ts';

/** First and longest pause before a result is offered again to a node that did not acknowledge it. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** A result nobody took for a week is given up; the record and the receipt stay. */
const MAX_AGE_MS = 7 * 86_400_000;
/** Results offered again to one node in one round. */
const REDELIVERY_BATCH = 64;

interface Undelivered {
  since: number;
  /** Nodes that have not acknowledged yet; never empty. */
  targets: string[];
}

/** Undelivered results by capsule id. */
const undelivered = keyspace<Undelivered>('outbox');

/**
 * Keeps results until the nodes that wait for them acknowledged them: at once, when the node connects again, and
 * with growing pauses in between.
 */
export class Outbox {
  readonly #db: Database;
  readonly #capsules: CapsuleStore;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** One pending retry for each node that owes an acknowledgement. */
  readonly #retries = new Map<string, { pauseMs: number; cancel: () => void }>();
  #stopped = false;

  constructor({
    db,
    capsules,
    network,
    clock,
    log,
  }: Pick<ExchangeComponents, 'db' | 'capsules' | 'network' | 'clock' | 'log'>) {
    this.#db = db;
    this.#capsules = capsules;
    this.#network = network;
    this.#clock = clock;
    this.#log = log;
  }

  put(tx: Transaction, capsuleId: string, targets: string[]): void {
    if (targets.length > 0) tx.put(undelivered, capsuleId, { since: this.#clock.now(), targets });
  }

  /** Nodes that still owe an acknowledgement. */
  targets(capsuleId: string): string[] {
    return this.#db.get(undelivered, capsuleId)?.targets ?? [];
  }

  acknowledged(tx: Transaction, nodeId: string, capsuleId: string): void {
    const entry = tx.get(undelivered, capsuleId);
    if (entry === undefined) return;
    const targets = entry.targets.filter((target) => target !== nodeId);
    if (targets.length === 0) tx.delete(undelivered, capsuleId);
    else tx.put(undelivered, capsuleId, { ...entry, targets });
  }

  /** Offers one result now; if that fails or stays unanswered, again later. */
  async deliver(nodeId: string, capsuleId: string): Promise<void> {
    this.#retryLater(nodeId);
    const message = this.resultMessage(capsuleId);
    if (message === undefined) return;
    try {
      await this.#network.send(nodeId, message);
    } catch (error) {
      this.#log.debug({ nodeId, capsuleId, error }, 'Result not delivered yet');
    }
  }

  /** Offers everything that one node, or every node, still has to acknowledge. */
  async redeliver(nodeId?: string): Promise<void> {
    const offered = new Map<string, number>();
    for await (const [capsuleId, { since, targets }] of this.#db.scan(undelivered, {})) {
      for (const target of nodeId === undefined ? targets : targets.filter((each) => each === nodeId)) {
        if (this.#stopped) return;
        const count = (offered.get(target) ?? 0) + 1;
        offered.set(target, count);
        if (count > REDELIVERY_BATCH) continue;
        if (this.#clock.now() - since > MAX_AGE_MS) await this.#giveUp(target, capsuleId);
        else await this.deliver(target, capsuleId);
      }
    }
    if (nodeId !== undefined && !offered.has(nodeId)) this.#forget(nodeId);
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  /** The message that tells how a capsule ended, made anew from what is stored. */
  resultMessage(capsuleId: string): ExchangeMessageOf<'capsule_result'> | undefined {
    const record = this.#capsules.record(capsuleId);
    const stored = this.#capsules.result(capsuleId);
    if (record === undefined || stored === undefined || !hasEnded(record)) return undefined;
    return resultMessageOf(record, stored, this.#spawnedBy(stored));
  }

  #spawnedBy(stored: StoredResult): SpawnedCapsule[] {
    return stored.steps.flatMap(({ child }, step) => {
      const capsule = child === null ? undefined : this.#capsules.get(child);
      return capsule === undefined ? [] : [{ step, id: capsule.id, signature: capsule.signature }];
    });
  }

  #retryLater(nodeId: string): void {
    if (this.#stopped || this.#retries.has(nodeId)) return;
    this.#arm(nodeId, FIRST_RETRY_MS);
  }

  #arm(nodeId: string, pauseMs: number): void {
    const cancel = this.#clock.after(pauseMs, () => {
      this.#arm(nodeId, Math.min(2 * pauseMs, LONGEST_RETRY_MS));
      this.redeliver(nodeId).catch((error: unknown) =>
        this.#log.error({ nodeId, error }, 'Redelivery failed'),
      );
    });
    this.#retries.set(nodeId, { pauseMs, cancel });
  }

  #forget(nodeId: string): void {
    this.#retries.get(nodeId)?.cancel();
    this.#retries.delete(nodeId);
  }

  async #giveUp(nodeId: string, capsuleId: string): Promise<void> {
    this.#log.warn({ nodeId, capsuleId }, 'Gave up delivering a result that nobody acknowledged for a week');
    const tx = this.#db.transaction();
    this.acknowledged(tx, nodeId, capsuleId);
    await tx.commit();
  }
}

function resultMessageOf(
  record: CapsuleRecord,
  stored: StoredResult,
  spawned: SpawnedCapsule[],
): ExchangeMessageOf<'capsule_result'> & ExchangeMessage {
  return {
    type: 'capsule_result',
    exchangeId: record.id.slice(0, 16),
    capsuleId: record.id,
    status: record.status === 'completed' ? 'completed' : 'failed',
    ...(record.status === 'completed' && { result: stored.result }),
    ...(record.error !== null && { error: record.error }),
    receipt: stored.receipt,
    assignment: stored.assignment,
    spawned,
  };
}
