import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { continuesAt, expiryOf } from '../../capsule/roles.ts';
import { fail, giveUp } from './coordinator.ts';
import type { Draft } from './draft.ts';
import type { CheckedResult, Event, Step } from './event.ts';
import { type Care, type Grant, hasEnded, newestGrant, type Try } from './state.ts';
import { cancelled, canPass } from './verdicts.ts';

/*
 * Whoever waits for a result: the submitter, who accepts, books, countersigns and continues the chain, or a
 * coordinator for another submitter, who gets the receipt only (protocol "Assignment", "Next steps", "Credits").
 */

/** The first valid result of a granted lease is accepted; a later one is a duplicate and never paid. */
export function onResult(draft: Draft, event: CheckedResult): void {
  if (draft.care === null) {
    const error: ErrorBody = { code: 'not_found', message: 'This node does not wait for that capsule.' };
    return draft.reply({ kind: 'decline_result', to: event.from, epoch: event.lease.epoch, error });
  }
  if (event.receipt.status === 'failed') return onFailure(draft, event);
  if (hasEnded(draft.state)) return answerAgain(draft, event);
  const missing = event.steps.find((step) => 'error' in step);
  if (missing !== undefined && 'error' in missing && (wasRefused(draft, event) || mayTryAgain(draft, event)))
    return refuseSteps(draft, event, missing.error);
  accept(draft, event);
}

function accept(draft: Draft, { from, receipt, lease, result, steps }: CheckedResult): void {
  draft.reply({ kind: 'acknowledge', to: from, epoch: lease.epoch, settled: true });
  conclude(draft, { executor: from, receipt, lease, result, steps });
}

/** The end of a capsule that was done, by another node or by this one. */
export function conclude(
  draft: Draft,
  done: Pick<CheckedResult, 'receipt' | 'lease' | 'result' | 'steps'> & { executor: string },
): void {
  const { executor, receipt, lease, result, steps } = done;
  const { care, state, setting } = draft;
  const pays = isSubmitter(draft);
  draft.write({ kind: 'result', result: result ?? null, receipt, lease, settled: pays });
  if (pays) {
    pay(draft, receipt);
    // Where the executor continues, it has begun already; this node waits for what comes of it.
    continueChain(draft, steps, continuesAt(draft.capsule) === 'executor' ? executor : setting.self);
  }
  draft.note({ kind: 'succeeded', node: executor });
  for (const { executor: sayer, error } of care?.tries ?? []) {
    if (sayer !== executor && !canPass(error)) draft.note({ kind: 'disproved', node: sayer });
  }
  for (const grant of care?.grants ?? []) {
    const idle = grant.void || grant.executor === executor || grant.executor === setting.self;
    if (!idle) draft.reply({ kind: 'cancel', to: grant.executor, epoch: grant.lease.epoch });
  }
  if (draft.work?.kind === 'running' && executor !== setting.self && draft.work.stop === null)
    draft.do({ ...draft.work, stop: cancelled() });
  const { receiptHash } = receipt;
  if (state.status === 'pending' || state.status === 'announced') draft.become('executing');
  draft.end('completed', { error: null, executor, receiptHash });
}

/** Steps become capsules that `coordinator` sees to, or are noted as failed. */
export function continueChain(draft: Draft, steps: Step[], coordinator: string): void {
  draft.set({
    steps: steps.map((step) =>
      'capsule' in step ? { child: step.capsule.id, error: null } : { child: null, error: step.error },
    ),
  });
  const { capsule: parent, care } = draft;
  const patientParent = care?.patient ?? saysWhenItExpires(parent);
  for (const step of steps) {
    if (!('capsule' in step)) continue;
    const { capsule } = step;
    // Every step has an expiry, most of them no other than that of the root.
    const patient = patientParent || expiryOf(capsule) < expiryOf(parent);
    draft.write({ kind: 'spawn', capsule, coordinator, patient });
  }
}

/** Whether its origin said so; a step repeats what holds for its root anyway. */
export function saysWhenItExpires({ executionPolicy, lineage }: Capsule): boolean {
  return executionPolicy?.expiresAt !== undefined && lineage === undefined;
}

/** Books the mirror of the executor's entry; nothing where it earned nothing, or works for itself. */
function pay(draft: Draft, { identity, charge, receiptHash }: CheckedResult['receipt']): void {
  const { originIdentity } = draft.capsule;
  if (charge === null || identity === originIdentity) return;
  draft.write({ kind: 'book', debit: originIdentity, credit: identity, amount: charge, receiptHash });
}

/**
 * The same result again gets the same answer. Of a capsule that ended without one, the first valid result is still
 * paid, since it was done under a lease of this node; it changes nothing else.
 */
function answerAgain(draft: Draft, { from, receipt, lease, result }: CheckedResult): void {
  const { care, state } = draft;
  const { receiptHash } = receipt;
  if (state.receiptHash === receiptHash || care?.late === receiptHash)
    return draft.reply({ kind: 'acknowledge', to: from, epoch: lease.epoch, settled: true });
  if (state.status === 'completed' || (care?.late ?? null) !== null) {
    const error: ErrorBody = { code: 'conflict', message: 'Another result was accepted before.' };
    return draft.reply({ kind: 'decline_result', to: from, epoch: lease.epoch, error });
  }
  draft.tend({ late: receiptHash });
  if (isSubmitter(draft)) {
    draft.write({ kind: 'result', result: result ?? null, receipt, lease, settled: true });
    pay(draft, receipt);
  }
  draft.reply({ kind: 'acknowledge', to: from, epoch: lease.epoch, settled: true });
}

/** One failed attempt, whatever its code says of other nodes. */
function onFailure(draft: Draft, event: CheckedResult): void {
  const { from, receipt, error } = event;
  draft.reply({ kind: 'acknowledge', to: from, epoch: event.lease.epoch, settled: false });
  const { care, state } = draft;
  if (care === null) return;
  // It was stopped, and this is the receipt of it.
  if (state.status === 'failed' && state.receiptHash === null) keepReceipt(draft, event);
  if (hasEnded(state)) return;
  const grant = findGrant(care, from, receipt.epoch);
  if (grant === undefined || grant.void) return;
  const told = error ?? { code: 'internal', message: 'The executor gave no reason.' };
  draft.note({ kind: 'failed', node: from, code: told.code });
  keepReceipt(draft, event);
  attemptFailed(draft, grant, told);
}

function keepReceipt(draft: Draft, { receipt, lease }: CheckedResult): void {
  draft.write({ kind: 'result', result: null, receipt, lease, settled: false });
  draft.set({ receiptHash: receipt.receiptHash });
}

/** A result or report of this lease that is not in order. */
export function onInvalid(draft: Draft, { from, epoch, error }: Extract<Event, { type: 'invalid' }>): void {
  draft.reply({ kind: 'decline_result', to: from, epoch, error });
  const { care } = draft;
  if (care === null || hasEnded(draft.state)) return;
  const grant = findGrant(care, from, epoch);
  if (grant === undefined || grant.void) return;
  draft.note({ kind: 'failed', node: from, code: error.code });
  attemptFailed(draft, grant, error);
}

function findGrant(care: Care | null, from: string, epoch: number | null): Grant | undefined {
  return care?.grants.find(({ executor, lease }) => executor === from && lease.epoch === epoch);
}

/** Only the newest lease moves the capsule; an older one is closed, so that it is not waited for. */
function attemptFailed(draft: Draft, grant: Grant, error: ErrorBody): void {
  const { care } = draft;
  if (care === null) return;
  const newest = newestGrant(care) === grant;
  const closed = { ...grant, void: true };
  draft.tend({ grants: care.grants.map((each) => (each === grant ? closed : each)) });
  const { kind } = care.phase;
  if (!newest || kind === 'waiting' || kind === 'choosing') return;
  if (kind === 'cancelling') return giveUp(draft, cancelled());
  fail(draft, closed, error);
}

/** Paid work is taken as it is: that no step can be made of it may be the template's fault. */
function mayTryAgain(draft: Draft, { receipt }: CheckedResult): boolean {
  const { care, capsule, setting } = draft;
  if (care === null || receipt.charge !== null) return false;
  const grant = newestGrant(care);
  if (grant === undefined || nodeIdOf(receipt.identity) !== grant.executor || !grant.mayRepeat) return false;
  return care.tries.length < (capsule.executionPolicy?.maxRetries ?? setting.limits.maxRetries);
}

/** The same result comes again while another node is at it. */
function wasRefused({ care }: Draft, { from, receipt }: CheckedResult): boolean {
  if (receipt.charge !== null) return false;
  const ofIt = ({ executor, epoch }: Try): boolean => executor === from && epoch === receipt.epoch;
  return care?.tries.some(ofIt) === true && findGrant(care, from, receipt.epoch)?.void === true;
}

/** Said in a way that ends its delivery: the very same result would be refused again. */
function refuseSteps(draft: Draft, { from, receipt, lease }: CheckedResult, error: ErrorBody): void {
  const { message } = error;
  const { epoch } = lease;
  draft.reply({ kind: 'decline_result', to: from, epoch, error: { code: 'invalid_receipt', message } });
  const grant = findGrant(draft.care, from, receipt.epoch);
  if (grant?.void === true) return;
  draft.note({ kind: 'failed', node: from, code: error.code });
  if (grant !== undefined) attemptFailed(draft, grant, error);
}

export function isSubmitter({ state, setting }: Draft): boolean {
  return state.submitter === setting.self;
}
