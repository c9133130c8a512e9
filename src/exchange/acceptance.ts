import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import { isErrorCode } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../protocols/settlement/v1/schema.ts';
import { verifyAssignment } from '../capsule/assignment.ts';
import { fromMicro } from '../capsule/credits.ts';
import { continuesAtOrigin } from '../capsule/derive.ts';
import { identityOf, nodeIdOf } from '../capsule/identity.ts';
import { verifyReceipt } from '../capsule/receipt.ts';
import { signSettlement, verifySettlement } from '../capsule/settlement.ts';
import { canonicalJson } from '../lib/json.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import { microAmount } from './admission.ts';
import type { ExchangeComponents } from './components.ts';
import type { EventLog } from './event-log.ts';
import { deleteLease, noteFailure } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { hasEnded } from './records.ts';
import type { Spawner } from './spawner.ts';

/** A child's result may come before its parent's: the sender is asked to come again. */
const EARLY_RESULT_RETRY_MS = 1_000;

type Result = ExchangeMessageOf<'capsule_result'>;

/** What acceptance tells the coordinator of this node. */
export interface AcceptanceListener {
  onAccepted(capsuleId: string, by: string): void;
  onFailure(capsuleId: string, by: string, error: ErrorBody): void;
  onSpawned(capsuleIds: string[]): void;
}

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'db' | 'capsules' | 'ledger' | 'engine' | 'network' | 'faults' | 'log'
> & { events: EventLog; outbox: Outbox; spawner: Spawner; listener: AcceptanceListener };

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
    const { capsules, faults } = this.#components;
    faults.hit('result.received');
    const record = capsules.record(message.capsuleId);
    const capsule = capsules.get(message.capsuleId);
    if (record === undefined || capsule === undefined) {
      const error: ErrorBody = { code: 'not_found', message: 'This node is not waiting for that capsule.' };
      return this.#decline(from, message, error, EARLY_RESULT_RETRY_MS);
    }
    if (hasEnded(record)) return this.#answerAgain(from, message, record);
    const problem = this.#problem(from, message, record);
    if (problem !== undefined) {
      this.#components.log.warn({ from, capsuleId: record.id, problem }, 'Refused a result');
      const error: ErrorBody = { code: 'invalid_receipt', message: problem };
      if (record.coordinator === this.#nodeId) this.#components.listener.onFailure(record.id, from, error);
      return this.#decline(from, message, error);
    }
    if (message.status === 'completed' && message.receipt !== null) {
      return this.#accept(from, message, message.receipt, record, capsule);
    }
    return this.#acceptFailure(from, message, record);
  }

  /** The payer's countersignature arrived: the payment stands, and the held children may go on. */
  async onSettlement(from: string, message: ExchangeMessageOf<'capsule_settlement'>): Promise<void> {
    const { capsules, crypto, db, faults, listener, log, outbox } = this.#components;
    faults.hit('settlement.received');
    const { settlement, capsuleId } = message;
    const record = capsules.record(capsuleId);
    const capsule = capsules.get(capsuleId);
    const stored = capsules.result(capsuleId);
    const owed =
      record?.status === 'completed' &&
      record.replyTo === from &&
      stored?.receipt?.receiptHash === settlement.receiptHash &&
      capsule !== undefined &&
      settlement.payer === identityOf(from) &&
      settlement.payee === this.#components.signer.identity &&
      settlement.amount === fromMicro(microAmount(capsule)) &&
      verifySettlement(crypto, settlement, { schemaChecked: true }).ok;
    if (!owed || stored === undefined)
      return log.warn({ from, capsuleId }, 'Refused a settlement that does not fit');
    const tx = db.transaction();
    capsules.putResult(tx, capsuleId, { ...stored, settlement });
    outbox.acknowledged(tx, from, capsuleId);
    const children = stored.steps.flatMap(({ child }) => child ?? []);
    for (const child of children)
      if (capsules.record(child, tx)?.held) capsules.update(tx, child, { held: false });
    await tx.commit();
    faults.hit('settlement.committed');
    listener.onSpawned(children);
  }

  /** A receiver that owes no settlement took note of the result. */
  async onAcknowledged(from: string, capsuleId: string): Promise<void> {
    const { db, outbox } = this.#components;
    if (!outbox.targets(capsuleId).includes(from)) return;
    const tx = db.transaction();
    outbox.acknowledged(tx, from, capsuleId);
    await tx.commit();
  }

  /** The receiver has accepted another execution: what was booked for this one is reversed, its children end. */
  async onDuplicate(from: string, capsuleId: string): Promise<void> {
    const { capsules, db, ledger, outbox, signer, log } = this.#components;
    const record = capsules.record(capsuleId);
    const capsule = capsules.get(capsuleId);
    if (record === undefined || capsule === undefined || !outbox.targets(capsuleId).includes(from)) return;
    const tx = db.transaction();
    outbox.acknowledged(tx, from, capsuleId);
    if (from === record.replyTo) {
      if (ledger.booked(`capsule:${capsuleId}`)) {
        const refund = {
          debit: signer.identity,
          credit: capsule.originIdentity,
          microAmount: microAmount(capsule),
        };
        ledger.book(tx, { reference: `reversal:${capsuleId}`, ...refund, receiptHash: record.receiptHash });
      }
      const error: ErrorBody = { code: 'conflict', message: 'Another execution of the parent was accepted.' };
      for (const { child } of capsules.result(capsuleId)?.steps ?? []) {
        if (child !== null && capsules.record(child, tx)?.held)
          capsules.setStatus(tx, child, 'failed', { error, held: false });
      }
    }
    await tx.commit();
    log.info({ capsuleId, from }, 'Another execution of this capsule was accepted');
  }

  /** One straight check of who, for what, under which lease; gives the reason to refuse. */
  #problem(from: string, message: Result, record: CapsuleRecord): string | undefined {
    const { crypto, signer } = this.#components;
    const { receipt, assignment, status } = message;
    const fromCoordinator = from === record.coordinator;
    if (receipt === null || assignment === null) {
      return status === 'failed' && fromCoordinator ? undefined : 'The result has no receipt.';
    }
    if (nodeIdOf(receipt.identity) !== from && !(status === 'failed' && fromCoordinator)) {
      return "The receipt is not the sender's.";
    }
    const checked = verifyReceipt(crypto, receipt, { schemaChecked: true });
    if (!checked.ok) return checked.error.message;
    if (receipt.capsuleId !== record.id || receipt.status !== status)
      return 'The receipt is for something else.';
    if (assignment.capsuleId !== record.id || assignment.executor !== receipt.identity) {
      return 'The assignment is for another capsule or another executor.';
    }
    if (receipt.epoch !== assignment.epoch) return 'The receipt was made under another lease.';
    if (nodeIdOf(assignment.coordinator) !== record.coordinator) return "The lease is not the coordinator's.";
    if (assignment.coordinator === signer.identity && assignment.epoch > record.epoch)
      return 'That lease was never granted.';
    if (!verifyAssignment(crypto, assignment, { schemaChecked: true }).ok)
      return "The assignment's signature does not verify.";
    if (status === 'completed' && receipt.resultHash !== crypto.sha256Hex(canonicalJson(message.result))) {
      return 'The result is not the one in the receipt.';
    }
    return undefined;
  }

  async #accept(
    from: string,
    message: Result,
    receipt: Receipt,
    record: CapsuleRecord,
    capsule: Capsule,
  ): Promise<void> {
    const { capsules, db, events, faults, ledger, listener, spawner } = this.#components;
    const tx = db.transaction();
    const payer = record.replyTo === this.#nodeId;
    const finished = { capsule, receipt, result: message.result, replyTo: record.replyTo, root: record.root };
    const atOrigin = continuesAtOrigin(capsule);
    const steps = !payer
      ? []
      : atOrigin
        ? spawner.spawnAsOrigin(tx, finished)
        : spawner.adopt(tx, finished, message.spawned);
    const settlement = payer ? this.#settle(tx, capsule, receipt) : null;
    if (record.status !== 'executing') capsules.setStatus(tx, record.id, 'executing', { executor: from });
    capsules.setStatus(tx, record.id, 'completed', {
      executor: from,
      receiptHash: receipt.receiptHash,
      error: null,
    });
    capsules.putResult(tx, record.id, {
      result: message.result,
      receipt,
      assignment: message.assignment,
      settlement,
      steps,
    });
    deleteLease(tx, record.id);
    await tx.commit();
    faults.hit('result.committed');
    ledger.release(record.id);
    events.emit({ type: 'done', capsuleId: record.id, status: 'completed', error: null });
    listener.onAccepted(record.id, from);
    await this.#acknowledge(from, message, settlement);
    faults.hit('settlement.sent');
    if (atOrigin) listener.onSpawned(steps.flatMap(({ child }) => child ?? []));
  }

  /** Books the mirror of the executor's entry and countersigns its receipt. */
  #settle(tx: Transaction, capsule: Capsule, receipt: Receipt): Settlement {
    const { crypto, ledger, signer } = this.#components;
    const amount = microAmount(capsule);
    if (amount > 0) {
      const payment = { debit: capsule.originIdentity, credit: receipt.identity, microAmount: amount };
      ledger.book(tx, { reference: `capsule:${capsule.id}`, ...payment, receiptHash: receipt.receiptHash });
    }
    const { receiptHash } = receipt;
    return signSettlement(signer, crypto, {
      receiptHash,
      amount: fromMicro(amount),
      payer: signer.identity,
      payee: receipt.identity,
    });
  }

  /** Where this node coordinates, its coordination decides what a failure means; elsewhere the coordinator's word ends it. */
  async #acceptFailure(from: string, message: Result, record: CapsuleRecord): Promise<void> {
    const { capsules, db, events, listener } = this.#components;
    const error = errorOf(message);
    const tx = db.transaction();
    if (record.coordinator === this.#nodeId) {
      noteFailure(tx, { capsuleId: record.id, nodeId: from, error, receipt: message.receipt });
      capsules.update(tx, record.id, { note: `failed at ${from}: ${error.code}` });
      await tx.commit();
      listener.onFailure(record.id, from, error);
      return this.#acknowledge(from, message, null);
    }
    const { receipt, assignment } = message;
    const executor = receipt === null ? null : nodeIdOf(receipt.identity);
    capsules.setStatus(tx, record.id, 'failed', {
      error,
      executor,
      receiptHash: receipt?.receiptHash ?? null,
    });
    capsules.putResult(tx, record.id, { result: null, receipt, assignment, settlement: null, steps: [] });
    await tx.commit();
    events.emit({ type: 'done', capsuleId: record.id, status: 'failed', error });
    return this.#acknowledge(from, message, null);
  }

  /** The same result again gets the same answer; another one is a duplicate. */
  async #answerAgain(from: string, message: Result, record: CapsuleRecord): Promise<void> {
    const { capsules, db } = this.#components;
    const stored = capsules.result(record.id);
    if (message.status === 'completed' && stored?.receipt?.receiptHash !== message.receipt?.receiptHash) {
      return this.#decline(from, message, {
        code: 'conflict',
        message: 'Another result was accepted before.',
      });
    }
    await db.flushed();
    return this.#acknowledge(
      from,
      message,
      message.status === 'completed' ? (stored?.settlement ?? null) : null,
    );
  }

  #acknowledge(to: string, { exchangeId, capsuleId }: Result, settlement: Settlement | null): Promise<void> {
    return settlement === null
      ? this.#send(to, { type: 'capsule_accept', exchangeId, capsuleId })
      : this.#send(to, { type: 'capsule_settlement', exchangeId, capsuleId, settlement });
  }

  #decline(
    to: string,
    { exchangeId, capsuleId }: Result,
    error: ErrorBody,
    retryAfterMs?: number,
  ): Promise<void> {
    const load = this.#components.engine.load();
    return this.#send(to, {
      type: 'capsule_decline',
      exchangeId,
      capsuleId,
      ...error,
      load,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  async #send(to: string, message: ExchangeMessage): Promise<void> {
    try {
      await this.#components.network.send(to, message);
    } catch (error) {
      // The sender keeps its result and will ask again.
      this.#components.log.debug({ to, type: message.type, error }, 'Answer not sent');
    }
  }
}

function errorOf(message: Result): ErrorBody {
  const { error } = message;
  if (error === undefined) return { code: 'internal', message: 'The executor gave no reason.' };
  return { code: isErrorCode(error.code) ? error.code : 'internal', message: error.message };
}
