import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { type ErrorBody, isErrorCode } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../protocols/settlement/v1/schema.ts';
import { fromMicro } from '../capsule/credits.ts';
import { continuesAtOrigin } from '../capsule/derive.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { signSettlement } from '../capsule/settlement.ts';
import type { CapsuleRecord, StepOutcome, Transaction } from '../store/types.ts';
import { microAmount } from './admission.ts';
import type { ExchangeComponents } from './components.ts';
import type { Coordinator } from './coordinator.ts';
import type { EventLog } from './event-log.ts';
import { deleteLease, noteFailure, readLease } from './leases.ts';
import { hasEnded } from './records.ts';
import { type Result, resultProblem } from './result-problem.ts';
import { childrenOf, type Spawner } from './spawner.ts';
import { trySend } from './try-send.ts';

/** A child's result may come before its parent's: the sender is asked to come again. */
const EARLY_RESULT_RETRY_MS = 1_000;

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'db' | 'capsules' | 'ledger' | 'engine' | 'network' | 'faults' | 'log'
> & {
  events: EventLog;
  spawner: Spawner;
  coordinator: Pick<Coordinator, 'onAccepted' | 'onFailure' | 'onSpawned'>;
};

/**
 * The payer's and the coordinator's side of a result: the first valid one of a granted epoch is accepted, booked
 * and countersigned; a later one is declined and never paid (protocol "Assignment", "Credits").
 */
export class Acceptance {
  readonly #components: Components;
  readonly #nodeId: string;

  constructor(components: Components) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  async onResult(from: string, message: Result): Promise<void> {
    const { capsules, crypto, db, coordinator, faults, log, signer } = this.#components;
    faults.hit('result.received');
    const record = capsules.record(message.capsuleId);
    const capsule = capsules.get(message.capsuleId);
    if (record === undefined || capsule === undefined) {
      const error: ErrorBody = { code: 'not_found', message: 'This node is not waiting for that capsule.' };
      return this.#decline(from, message, error, EARLY_RESULT_RETRY_MS);
    }
    if (hasEnded(record)) return this.#answerAgain(from, message, record);
    const granted = readLease(db, record.id).assignment;
    const problem = resultProblem(crypto, from, message, { record, granted, identity: signer.identity });
    if (problem !== undefined) {
      log.warn({ from, capsuleId: record.id, problem }, 'Refused a result');
      const error: ErrorBody = { code: 'invalid_receipt', message: problem };
      coordinator.onFailure(record.id, from, error);
      return this.#decline(from, message, error);
    }
    const { receipt, assignment } = message;
    const proof = receipt === null || assignment === null ? null : { receipt, assignment };
    if (message.status === 'completed' && proof !== null) {
      return this.#accept(from, message, proof, record, capsule);
    }
    return record.coordinator === this.#nodeId
      ? this.#noteFailure(from, message, proof)
      : this.#end(from, message, proof);
  }

  /** Ends a capsule that another node coordinates and that will not be told about any more. */
  async abandon(capsuleId: string, error: ErrorBody): Promise<void> {
    const { capsules, db, events } = this.#components;
    const record = capsules.record(capsuleId);
    if (record === undefined || hasEnded(record)) return;
    const tx = db.transaction();
    capsules.setStatus(tx, capsuleId, 'failed', { error, held: false });
    const nothing = { result: null, receipt: null, assignment: null, settlement: null, steps: [] };
    capsules.putResult(tx, capsuleId, nothing);
    deleteLease(tx, capsuleId);
    await tx.commit();
    events.emit({ type: 'done', capsuleId, status: 'failed', error });
  }

  async #accept(
    from: string,
    message: Result,
    { receipt, assignment }: { receipt: Receipt; assignment: Assignment },
    record: CapsuleRecord,
    capsule: Capsule,
  ): Promise<void> {
    const { capsules, coordinator, db, events, faults, ledger } = this.#components;
    const { receiptHash } = receipt;
    const tx = db.transaction();
    const pays = record.replyTo === this.#nodeId;
    const steps = pays ? this.#continue(tx, message, receipt, record, capsule) : [];
    const settlement = pays ? this.#settle(tx, capsule, receipt) : null;
    if (record.status !== 'executing') capsules.setStatus(tx, record.id, 'executing');
    const ended = { executor: from, receiptHash, error: null, held: false };
    capsules.setStatus(tx, record.id, 'completed', ended);
    const { result } = message;
    capsules.putResult(tx, record.id, { result, receipt, assignment, settlement, steps });
    deleteLease(tx, record.id);
    await tx.commit();
    faults.hit('result.committed');
    ledger.release(record.id);
    events.emit({ type: 'done', capsuleId: record.id, status: 'completed', error: null });
    const children = childrenOf(steps);
    for (const child of children) {
      events.emit({ type: 'status', capsuleId: child, status: 'pending', executor: null });
    }
    coordinator.onAccepted(record.id, from);
    await this.#acknowledge(from, message, settlement);
    faults.hit('settlement.sent');
    coordinator.onSpawned(children);
  }

  /** The next steps, as records: made here where only the origin may, else checked and left to the executor. */
  #continue(
    tx: Transaction,
    { result, spawned }: Result,
    receipt: Receipt,
    { replyTo, root }: CapsuleRecord,
    capsule: Capsule,
  ): StepOutcome[] {
    const { spawner } = this.#components;
    const finished = { capsule, receipt, result, replyTo, root };
    return continuesAtOrigin(capsule)
      ? spawner.spawnAsOrigin(tx, finished)
      : spawner.adopt(tx, finished, spawned);
  }

  /** Books the mirror of the executor's entry and countersigns its receipt; null where nothing is paid. */
  #settle(tx: Transaction, capsule: Capsule, { identity: payee, receiptHash }: Receipt): Settlement | null {
    const { crypto, ledger, signer } = this.#components;
    const microCredits = microAmount(capsule);
    if (microCredits === 0) return null;
    const payment = { debit: capsule.originIdentity, credit: payee, microAmount: microCredits };
    ledger.book(tx, { reference: `capsule:${capsule.id}`, ...payment, receiptHash });
    const amount = fromMicro(microCredits);
    return signSettlement(signer, crypto, { receiptHash, amount, payer: signer.identity, payee });
  }

  /** Where this node coordinates, its coordination decides what a failure means. */
  async #noteFailure(
    from: string,
    message: Result,
    proof: { receipt: Receipt; assignment: Assignment } | null,
  ): Promise<void> {
    const { capsules, coordinator, db } = this.#components;
    const { capsuleId } = message;
    const error = errorOf(message);
    const tx = db.transaction();
    noteFailure(tx, { capsuleId, nodeId: from, error, proof });
    capsules.update(tx, capsuleId, { note: `failed at ${from}: ${error.code}` });
    await tx.commit();
    coordinator.onFailure(capsuleId, from, error);
    return this.#acknowledge(from, message, null);
  }

  /** Elsewhere the coordinator's word ends it. */
  async #end(
    from: string,
    message: Result,
    proof: { receipt: Receipt; assignment: Assignment } | null,
  ): Promise<void> {
    const { capsules, db, events } = this.#components;
    const { capsuleId } = message;
    const error = errorOf(message);
    const { receipt, assignment } = proof ?? { receipt: null, assignment: null };
    const tx = db.transaction();
    capsules.setStatus(tx, capsuleId, 'failed', {
      error,
      held: false,
      receiptHash: receipt?.receiptHash ?? null,
      ...(receipt !== null && { executor: nodeIdOf(receipt.identity) }),
    });
    capsules.putResult(tx, capsuleId, { result: null, receipt, assignment, settlement: null, steps: [] });
    deleteLease(tx, capsuleId);
    await tx.commit();
    events.emit({ type: 'done', capsuleId, status: 'failed', error });
    return this.#acknowledge(from, message, null);
  }

  /** The same result again gets the same answer; another one is a duplicate. */
  async #answerAgain(from: string, message: Result, record: CapsuleRecord): Promise<void> {
    const { capsules, db } = this.#components;
    const stored = capsules.result(record.id);
    await db.flushed();
    if (message.status === 'failed') return this.#acknowledge(from, message, null);
    if (stored?.receipt?.receiptHash === message.receipt?.receiptHash) {
      return this.#acknowledge(from, message, stored?.settlement ?? null);
    }
    const error: ErrorBody = { code: 'conflict', message: 'Another result was accepted before.' };
    return this.#decline(from, message, error);
  }

  async #acknowledge(to: string, message: Result, settlement: Settlement | null): Promise<void> {
    const { exchangeId, capsuleId } = message;
    const answer: ExchangeMessage =
      settlement === null
        ? { type: 'capsule_accept', exchangeId, capsuleId }
        : { type: 'capsule_settlement', exchangeId, capsuleId, settlement };
    await trySend(this.#components, to, answer);
  }

  async #decline(to: string, message: Result, error: ErrorBody, retryAfterMs?: number): Promise<void> {
    const { exchangeId, capsuleId } = message;
    const load = this.#components.engine.load();
    const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
    const answer = { type: 'capsule_decline', exchangeId, capsuleId, ...error, load, ...retry } as const;
    await trySend(this.#components, to, answer);
  }
}

function errorOf({ error }: Result): ErrorBody {
  if (error === undefined) return { code: 'internal', message: 'The executor gave no reason.' };
  return { code: isErrorCode(error.code) ? error.code : 'internal', message: error.message };
}
