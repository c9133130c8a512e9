import type { ExchangeMessageOf, SpawnedCapsule } from '../../protocols/messages/v1/schema.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { CapsuleRecord, StoredResult, Transaction } from '../store/types.ts';
import type { ExchangeComponents } from './components.ts';
import { readLease } from './leases.ts';
import { hasEnded } from './records.ts';
import { trySend } from './try-send.ts';

/** First and longest pause before results are offered again to a node that did not acknowledge them. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** A result nobody took for a week is given up; the record and the receipt stay. */
const MAX_AGE_MS = 7 * 86_400_000;
/** Results offered again to one node in one round; the next round goes on from there. */
const REDELIVERY_BATCH = 64;

type Result = ExchangeMessageOf<'capsule_result'>;

interface Undelivered {
  since: number;
  /** Nodes that have not acknowledged yet; never empty. */
  targets: string[];
}

/** Undelivered results by capsule id. */
const undelivered = keyspace<Undelivered>('outbox');

/** One node that owes acknowledgements. */
interface Debtor {
  pauseMs: number;
  /** Last capsule offered in a round that stopped at its bound; empty where the next begins anew. */
  after: string;
  /** A round is under way. */
  busy: boolean;
  cancel: () => void;
}

type Components = Pick<ExchangeComponents, 'db' | 'capsules' | 'network' | 'clock' | 'log' | 'signer'>;

export interface OutboxInit {
  /** Called for a result that is offered no more. */
  onGivenUp: (nodeId: string, capsuleId: string) => Promise<void>;
}

/**
 * Keeps results until the nodes that wait for them acknowledged them: at once, when the node connects again, and
 * with growing pauses in between.
 */
export class Outbox {
  readonly #components: Components;
  readonly #init: OutboxInit;
  /** As many as the stored results have targets. */
  readonly #debtors = new Map<string, Debtor>();
  #stopped = false;

  constructor(components: Components, init: OutboxInit) {
    this.#components = components;
    this.#init = init;
  }

  put(tx: Transaction, capsuleId: string, targets: string[]): void {
    const since = this.#components.clock.now();
    if (targets.length > 0) tx.put(undelivered, capsuleId, { since, targets });
  }

  /** Nodes that still owe an acknowledgement. */
  targets(capsuleId: string): string[] {
    return this.#components.db.get(undelivered, capsuleId)?.targets ?? [];
  }

  acknowledged(tx: Transaction, nodeId: string, capsuleId: string): void {
    const entry = tx.get(undelivered, capsuleId);
    if (entry === undefined) return;
    const targets = entry.targets.filter((target) => target !== nodeId);
    if (targets.length === 0) tx.delete(undelivered, capsuleId);
    else tx.put(undelivered, capsuleId, { ...entry, targets });
  }

  /** After a restart: offers everything again, and waits for nothing. */
  async start(): Promise<void> {
    for await (const [, { targets }] of this.#components.db.scan(undelivered, {})) {
      for (const target of targets) this.#expect(target, 0);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#debtors.values()) cancel();
    this.#debtors.clear();
  }

  /** Offers a result to every node that waits for it; where that fails or stays unanswered, again later. */
  async deliverAll(capsuleId: string): Promise<void> {
    const targets = this.targets(capsuleId);
    const message = targets.length > 0 ? this.resultMessage(capsuleId) : undefined;
    if (message === undefined || this.#stopped) return;
    for (const target of targets) this.#expect(target, FIRST_RETRY_MS);
    await Promise.all(targets.map((target) => trySend(this.#components, target, message)));
  }

  /** A node that owes acknowledgements is there again. */
  onConnect(nodeId: string): void {
    const debtor = this.#debtors.get(nodeId);
    if (debtor === undefined || debtor.busy) return;
    debtor.cancel();
    this.#offerIn(0, nodeId, { ...debtor, pauseMs: FIRST_RETRY_MS });
  }

  /** The message that tells how a capsule ended, or failed here, made anew from what is stored. */
  resultMessage(capsuleId: string): Result | undefined {
    const { capsules, db, signer } = this.#components;
    const record = capsules.record(capsuleId);
    if (record === undefined) return undefined;
    const stored = capsules.result(capsuleId);
    if (stored !== undefined && hasEnded(record)) return this.#endOf(record, stored);
    // A failure that its coordinator has yet to act on, on a node that also waits for the accepted result.
    const { lastError, lastReceipt, lastAssignment } = readLease(db, capsuleId);
    const failedHere = lastReceipt?.identity === signer.identity;
    if (!failedHere || lastError === null || lastAssignment?.coordinator === signer.identity)
      return undefined;
    const proof = { receipt: lastReceipt, assignment: lastAssignment };
    return { ...headOf(capsuleId), status: 'failed', error: lastError, ...proof, spawned: [] };
  }

  #endOf({ id, status, error }: CapsuleRecord, stored: StoredResult): Result {
    const { result, receipt, assignment } = stored;
    const proof = { receipt, assignment };
    if (status === 'completed') {
      return { ...headOf(id), status, result, ...proof, spawned: this.#spawnedBy(stored) };
    }
    return { ...headOf(id), status: 'failed', ...(error !== null && { error }), ...proof, spawned: [] };
  }

  #spawnedBy({ steps }: StoredResult): SpawnedCapsule[] {
    return steps.flatMap(({ child }, step) => {
      const capsule = child === null ? undefined : this.#components.capsules.get(child);
      return capsule === undefined ? [] : [{ step, id: capsule.id, signature: capsule.signature }];
    });
  }

  #expect(nodeId: string, pauseMs: number): void {
    if (this.#stopped || this.#debtors.has(nodeId)) return;
    this.#offerIn(pauseMs, nodeId, { pauseMs: FIRST_RETRY_MS, after: '', busy: false, cancel: () => {} });
  }

  #offerIn(ms: number, nodeId: string, debtor: Debtor): void {
    if (this.#stopped) return;
    this.#debtors.set(nodeId, debtor);
    debtor.cancel = this.#components.clock.after(ms, () => {
      debtor.busy = true;
      this.#offer(nodeId, debtor)
        .catch((error: unknown) => {
          this.#components.log.error({ nodeId, err: error }, 'Redelivery failed');
          return false;
        })
        .then((owes) => {
          debtor.busy = false;
          if (owes) this.#offerIn(debtor.pauseMs, nodeId, debtor);
          else this.#debtors.delete(nodeId);
        });
    });
  }

  /** One round. False when the node owes nothing any more. */
  async #offer(nodeId: string, debtor: Debtor): Promise<boolean> {
    const { clock, db } = this.#components;
    const { after } = debtor;
    let owed = 0;
    let offered = 0;
    debtor.after = '';
    for await (const [capsuleId, { since, targets }] of db.scan(undelivered, { gt: after })) {
      if (this.#stopped) return false;
      if (!targets.includes(nodeId)) continue;
      owed++;
      const age = clock.now() - since;
      if (age > MAX_AGE_MS) await this.#init.onGivenUp(nodeId, capsuleId);
      // Its first delivery is not answered yet, and need not be.
      if (age > MAX_AGE_MS || age < FIRST_RETRY_MS) continue;
      const message = this.resultMessage(capsuleId);
      offered++;
      if (message !== undefined && !(await trySend(this.#components, nodeId, message))) break;
      if (offered < REDELIVERY_BATCH) continue;
      debtor.after = capsuleId;
      break;
    }
    debtor.pauseMs = offered === 0 ? FIRST_RETRY_MS : Math.min(2 * debtor.pauseMs, LONGEST_RETRY_MS);
    return owed > 0 || after !== '';
  }
}

function headOf(capsuleId: string): Pick<Result, 'type' | 'exchangeId' | 'capsuleId'> {
  return { type: 'capsule_result', exchangeId: capsuleId.slice(0, 16), capsuleId };
}
