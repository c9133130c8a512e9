import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { type ErrorBody, type ErrorCode, isErrorCode } from '../../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../../protocols/settlement/v1/schema.ts';
import { verifyAssignment } from '../../capsule/assignment.ts';
import { leaseProblem } from '../../capsule/check-lease.ts';
import { checkResult } from '../../capsule/check-result.ts';
import { identityOf, nodeIdOf } from '../../capsule/identity.ts';
import { toldError } from '../../capsule/messages.ts';
import { needsSignedLease, submitterOf } from '../../capsule/roles.ts';
import { verifySettlement } from '../../capsule/settlement.ts';
import { isInOrder } from '../../capsule/times.ts';
import type { ExchangeComponents } from '../components.ts';
import type { Replies } from '../effects/replies.ts';
import { hasEnded, type State } from '../machine/state.ts';
import type { Runtime } from '../runtime.ts';
import { stepsOf } from '../steps.ts';

type Components = Pick<ExchangeComponents, 'signer' | 'crypto' | 'clock' | 'capsules' | 'faults' | 'log'> & {
  runtime: Runtime;
  replies: Replies;
};

/** A child's result may come before its parent's: the sender is asked to come again. */
const EARLY_RESULT_RETRY_MS = 1_000;

/** Codes of answers after which the same result is not offered again. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['conflict', 'invalid_receipt', 'not_found']);

/** Results, and what their receivers answer: who says what, of which capsule, under which lease. */
export class Results {
  readonly #components: Components;
  readonly #self: string;

  constructor(components: Components) {
    this.#components = components;
    this.#self = nodeIdOf(components.signer.identity);
  }

  async onResult(from: string, message: ExchangeMessageOf<'capsule_result'>): Promise<void> {
    const { runtime, replies, faults, log } = this.#components;
    faults.hit('result.received');
    const { capsuleId, receipt, assignment: lease } = message;
    const state = runtime.state(capsuleId);
    const capsule = runtime.capsule(capsuleId);
    if (state?.life.care == null || capsule === undefined) {
      const error: ErrorBody = { code: 'not_found', message: 'This node is not waiting for that capsule.' };
      const about = { capsuleId, of: 'capsule_result', epoch: lease.epoch };
      return replies.decline(from, about, error, EARLY_RESULT_RETRY_MS);
    }
    const problem = this.#problem(from, message, state, capsule);
    if (problem !== undefined) {
      log.warn({ from, capsuleId, problem }, 'Refused a result');
      const error: ErrorBody = { code: 'invalid_receipt', message: problem };
      return runtime.take(capsuleId, { type: 'invalid', from, epoch: lease.epoch, error });
    }
    const { result } = message;
    const error = receipt.status === 'failed' ? errorOf(message) : null;
    const steps =
      receipt.status === 'completed' && state.submitter === this.#self && !hasEnded(state)
        ? stepsOf(this.#components, { parent: capsule, receipt, result })
        : [];
    await runtime.take(capsuleId, { type: 'result', from, receipt, lease, result, error, steps });
    faults.hit('result.committed');
  }

  /** The payer's countersignature. */
  async onSettlement(from: string, message: ExchangeMessageOf<'capsule_settlement'>): Promise<void> {
    const { runtime, capsules, faults, log } = this.#components;
    faults.hit('settlement.received');
    const { capsuleId, settlement } = message;
    if (!this.#owes(from, capsuleId)) return;
    const receipt = capsules.result(capsuleId)?.receipt;
    if (receipt == null || !this.#fits(settlement, from, receipt))
      return log.warn({ from, capsuleId }, 'Refused a settlement that does not fit');
    await runtime.take(capsuleId, { type: 'acknowledged', from, epoch: receipt.epoch ?? 0, settlement });
    faults.hit('settlement.committed');
  }

  /** What needs no settlement from this receiver. */
  async onAcknowledged(from: string, capsuleId: string, epoch: number): Promise<void> {
    const { runtime, faults } = this.#components;
    if (!this.#owes(from, capsuleId)) return;
    faults.hit('settlement.received');
    await runtime.take(capsuleId, { type: 'acknowledged', from, epoch, settlement: null });
    faults.hit('settlement.committed');
  }

  /** The receiver has another result, or finds this one wrong. Of all else it is offered again. */
  async onRefused(from: string, message: ExchangeMessageOf<'capsule_decline'>): Promise<void> {
    const { runtime, log } = this.#components;
    const { capsuleId, epoch = 0, code, message: text, winner } = message;
    if (capsuleId === null || !isErrorCode(code) || !FINAL.has(code)) return;
    const capsule = runtime.capsule(capsuleId);
    if (capsule === undefined || !this.#owes(from, capsuleId)) return;
    // A step's result can come before its parent's, and what is paid is owed; a free root is given up.
    if (code === 'not_found' && (capsule.parentCapsule !== null || this.#isPaid(capsuleId))) return;
    const proven = winner !== undefined && this.#isWinner(capsule, winner);
    log.info({ capsuleId, from, code, proven }, 'A result was not accepted');
    const error: ErrorBody = { code, message: text };
    await runtime.take(capsuleId, { type: 'refused', from, epoch, error, proven });
  }

  #problem(
    from: string,
    { receipt, assignment: lease, status, result }: ExchangeMessageOf<'capsule_result'>,
    state: State,
    capsule: Capsule,
  ): string | undefined {
    const { crypto, clock } = this.#components;
    if (!this.#isGranted(state, capsule, lease)) return 'Its lease was not granted.';
    if (status === 'completed' && result === undefined && state.submitter === this.#self)
      return 'The result is missing.';
    const reported = { capsule, lease, receipt, status, from: identityOf(from) };
    const problem = checkResult(crypto, result === undefined ? reported : { ...reported, result });
    if (problem !== null) return problem;
    // Its children take their own time from it.
    return isInOrder(receipt.finishedAt, clock.now()) ? undefined : 'The receipt ends in the future.';
  }

  /** By this node, or, of a step that the parent's executor coordinates, by that one. */
  #isGranted(state: State, capsule: Capsule, lease: Assignment): boolean {
    const { signer, capsules } = this.#components;
    if (lease.coordinator === signer.identity) {
      // Nobody else can have signed it.
      if (needsSignedLease(capsule)) return this.#isSigned(lease);
      const grant = state.life.care?.grants.find((each) => each.lease.epoch === lease.epoch);
      if (grant === undefined) return false;
      if (isSame(grant.lease, lease)) return true;
      // Such an order is sent before its lease is on the disk. Of one that a crash took, only its executor knows.
      const { executor, grantedAt, expiresAt } = grant.lease;
      const earlier = lease.grantedAt <= grantedAt && lease.expiresAt <= expiresAt;
      return lease.executor === executor && earlier && leaseProblem(lease, capsule) === null;
    }
    const parent = state.parentCapsule === null ? undefined : capsules.result(state.parentCapsule)?.receipt;
    return parent?.identity === lease.coordinator && this.#isSigned(lease);
  }

  #isSigned(lease: Assignment): boolean {
    const options = { schemaChecked: true, signatureRequired: true };
    return verifyAssignment(this.#components.crypto, lease, options).ok;
  }

  /** Who has not acknowledged yet; an answer that came before is not worth a second look. */
  #owes(from: string, capsuleId: string): boolean {
    const work = this.#components.runtime.state(capsuleId)?.life.work;
    return work?.kind === 'delivering' && work.to.includes(from);
  }

  #isPaid(capsuleId: string): boolean {
    return this.#components.capsules.result(capsuleId)?.receipt?.charge != null;
  }

  #fits(settlement: Settlement, from: string, { receiptHash, charge }: Receipt): boolean {
    const { crypto, signer } = this.#components;
    return (
      settlement.receiptHash === receiptHash &&
      settlement.payer === identityOf(from) &&
      settlement.payee === signer.identity &&
      settlement.amount === charge &&
      verifySettlement(crypto, settlement, { schemaChecked: true }).ok
    );
  }

  /** Another execution of the same capsule, under a lease that its coordinator signed. */
  #isWinner(capsule: Capsule, { receipt, lease }: { receipt: Receipt; lease: Assignment }): boolean {
    const { crypto, signer } = this.#components;
    const reported = { capsule, lease, receipt, status: 'completed' as const, from: receipt.identity };
    const own = this.#components.runtime.state(capsule.id)?.life.work?.lease;
    return (
      receipt.identity !== signer.identity &&
      (lease.coordinator === own?.coordinator || lease.coordinator === submitterOf(capsule)) &&
      (!needsSignedLease(capsule) || this.#isSigned(lease)) &&
      checkResult(crypto, reported) === null
    );
  }
}

/** Both have passed the same closed schema, so one's fields are the other's; a signature is looked at by itself. */
function isSame(granted: Assignment, lease: Assignment): boolean {
  return Object.entries(granted).every(([field, value]) => Reflect.get(lease, field) === value);
}

function errorOf({ error, receipt }: ExchangeMessageOf<'capsule_result'>): ErrorBody {
  const told = error ?? receipt.error;
  if (told === null) return { code: 'internal', message: 'The executor gave no reason.' };
  return toldError(told);
}
