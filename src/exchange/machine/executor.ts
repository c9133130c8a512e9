import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { fail, giveUp } from './coordinator.ts';
import type { Draft } from './draft.ts';
import type { Event } from './event.ts';
import { hasEnded, type Lease, newestGrant, type Outcome, type Running, type Work } from './state.ts';
import { conclude, continueChain, isSubmitter } from './submitter.ts';
import { cancelled, expired } from './verdicts.ts';

/*
 * The executor: runs once per lease, keeps the outcome until it is acknowledged, and closes the payment (protocol
 * "Assignment", "Credits").
 */

type Of<T extends Event['type']> = Extract<Event, { type: T }>;

/** Crashes in the middle of a run after which it is not tried again: the work itself may be the cause. */
const MAX_CRASHES = 1;

/** Whether an order for a capsule that is known here begins a new run; the admission is asked only then. */
export function begins(work: Work | null, lease: Pick<Lease, 'epoch' | 'coordinator'>): boolean {
  if (work === null) return true;
  if (work.kind === 'running' || work.outcome.status !== 'failed') return false;
  // Each coordinator counts for itself.
  return lease.coordinator !== work.lease.coordinator || lease.epoch > work.lease.epoch;
}

/** Once per lease; again only under a newer one after its own failed receipt. Else an order is a question. */
export function onOrdered(draft: Draft, { from, lease, mayRepeat, proofs }: Of<'ordered'>): void {
  const { work, care } = draft;
  const { epoch } = lease;
  if (work?.kind === 'running') return draft.reply({ kind: 'accept_order', to: from, epoch });
  if (care !== null && care.phase.kind !== 'elsewhere') {
    const error: ErrorBody = { code: 'conflict', message: 'This node coordinates the capsule itself.' };
    return draft.reply({ kind: 'decline_order', to: from, epoch, error });
  }
  if (!begins(work, lease)) return draft.reply({ kind: 'tell', to: from });
  const endBy = endOf(lease, draft.now);
  draft.do({ kind: 'running', lease, mayRepeat, endBy, crashes: 0, stop: null, lapsed: false });
  const executor = draft.setting.self;
  draft.set({ executor, epoch, attempts: draft.state.attempts + 1, error: null, receiptHash: null });
  draft.become('executing', `ordered by ${from}`);
  if (proofs.length > 0)
    draft.write({ kind: 'proofs', root: draft.state.root, capsule: draft.capsule, proofs });
  draft.reply({ kind: 'accept_order', to: from, epoch });
}

/** The run ended, and this is in the batch of its receipt. */
export function onRan(draft: Draft, event: Of<'ran'>): void {
  const { work, care } = draft;
  // Its capsule ended in the meantime, or another lease counts: the receipt stands by itself.
  if (work?.kind !== 'running' || work.lease.epoch !== event.receipt.epoch) return;
  if (care?.phase.kind === 'here') return ranForItself(draft, work, event);
  const { receipt, lease, result, error } = event;
  const outcome = outcomeOf(event);
  // Another result was accepted here while it ran: this receipt stands by itself, and is owed to nobody.
  if (care !== null && hasEnded(draft.state)) return draft.do({ kind: 'delivered', lease, outcome });
  const completed = receipt.status === 'completed';
  draft.write({ kind: 'result', result: result ?? null, receipt, lease, settled: false });
  earn(draft, event);
  const coordinator = nodeIdOf(lease.coordinator);
  if (completed && care !== null && isSubmitter(draft)) {
    conclude(draft, { executor: draft.setting.self, receipt, lease, result, steps: event.steps });
  } else {
    if (completed) continueChain(draft, event.steps, draft.setting.self);
    if (care === null) draft.end(receipt.status, { error, receiptHash: receipt.receiptHash });
  }
  const waiting = completed ? [draft.state.submitter, coordinator] : [coordinator];
  deliver(draft, work, lease, outcome, waiting);
}

/** This node assigned it to itself. */
function ranForItself(draft: Draft, work: Running, event: Of<'ran'>): void {
  const { receipt, lease, result, steps, error } = event;
  const { self } = draft.setting;
  const grant = draft.care === null ? undefined : newestGrant(draft.care);
  draft.do({ kind: 'delivered', lease: work.lease, outcome: outcomeOf(event) });
  if (receipt.status === 'completed') {
    conclude(draft, { executor: self, receipt, lease, result, steps });
    if (isSubmitter(draft)) return;
    continueChain(draft, steps, self);
    return deliver(draft, work, lease, outcomeOf(event), [draft.state.submitter]);
  }
  const failure = error ?? { code: 'internal', message: 'The work failed.' };
  draft.write({ kind: 'result', result: null, receipt, lease, settled: false });
  draft.set({ receiptHash: receipt.receiptHash });
  if (work.stop !== null || grant === undefined) return giveUp(draft, work.stop ?? failure);
  fail(draft, grant, failure);
}

function deliver(
  draft: Draft,
  work: Running,
  lease: Of<'ran'>['lease'],
  outcome: Outcome,
  to: string[],
): void {
  const { self, limits } = draft.setting;
  const others = [...new Set(to)].filter((node) => node !== self);
  if (others.length === 0) return draft.do({ kind: 'delivered', lease, outcome });
  const free = outcome.charge === null && draft.state.share === 'stranger';
  const until = draft.now + (free ? limits.deliverStrangerMs : limits.deliverMs);
  const lapsed = work.lapsed || draft.now > work.endBy;
  draft.do({ kind: 'delivering', lease, outcome, to: others, until, lapsed, offered: false });
}

function earn(draft: Draft, { receipt }: Of<'ran'>): void {
  const { originIdentity } = draft.capsule;
  const { charge, receiptHash } = receipt;
  if (charge === null || originIdentity === draft.setting.identity) return;
  const credit = draft.setting.identity;
  draft.write({ kind: 'book', debit: originIdentity, credit, amount: charge, receiptHash });
}

/** From the submitter, or the coordinator of the lease. What has ended is told instead. */
export function onStopped(draft: Draft, { from, epoch, error }: Of<'stopped'>): void {
  const { work } = draft;
  if (work === null) return;
  if (work.kind !== 'running') return draft.reply({ kind: 'tell', to: from });
  if (epoch < work.lease.epoch) return;
  if (work.stop === null) draft.do({ ...work, stop: error });
  draft.reply({ kind: 'confirm_cancel', to: from, epoch });
}

export function onParted(draft: Draft, { from }: Of<'parted'>): void {
  const { work } = draft;
  if (work === null || work.kind === 'delivered' || work.lapsed) return;
  if (work.kind === 'delivering' && work.offered) return;
  if (from === draft.state.submitter || from === nodeIdOf(work.lease.coordinator))
    draft.do({ ...work, lapsed: true });
}

/** Who hangs up, or waits for a restart, with the result in hand is not forgiven the debt. */
export function onOffered(draft: Draft): void {
  const { work } = draft;
  if (work?.kind === 'delivering' && !work.offered) draft.do({ ...work, offered: true });
}

export function onAbandoned(draft: Draft): void {
  const { work } = draft;
  if (work?.kind === 'running' && work.stop === null) draft.do({ ...work, stop: cancelled() });
}

/** The receiver has it; of paid work, its submitter says so with a settlement and with nothing less. */
export function onAcknowledged(draft: Draft, event: Of<'acknowledged'>): void {
  const { from, settlement } = event;
  const { work, state } = draft;
  if (work?.kind !== 'delivering' || !work.to.includes(from)) return;
  // Of an earlier outcome, which is not owed any more.
  if (event.epoch !== work.lease.epoch) return;
  const owed = work.outcome.charge !== null && from === state.submitter;
  if (owed && settlement === null) return;
  if (settlement !== null) draft.write({ kind: 'settlement', settlement });
  delivered(draft, from);
}

/**
 * The receiver has another result, or finds this one wrong. The payment is taken back where it showed the other one
 * and this node's own lease had lapsed before it delivered; else the debt stays, disputed.
 */
export function onRefused(draft: Draft, { from, epoch, proven }: Of<'refused'>): void {
  const { work, state } = draft;
  if (work?.kind !== 'delivering' || !work.to.includes(from) || epoch !== work.lease.epoch) return;
  if (work.outcome.charge !== null && from === state.submitter)
    draft.write({ kind: proven && work.lapsed ? 'reverse' : 'dispute' });
  delivered(draft, from);
}

function delivered(draft: Draft, to: string): void {
  const { work } = draft;
  if (work?.kind !== 'delivering') return;
  const left = work.to.filter((node) => node !== to);
  const { lease, outcome } = work;
  draft.do(left.length > 0 ? { ...work, to: left } : { kind: 'delivered', lease, outcome });
}

export function onWorkDue(draft: Draft): void {
  const { work, now } = draft;
  if (work?.kind === 'running' && work.stop === null && work.endBy <= now)
    draft.do({ ...work, stop: expired(null) });
  if (work?.kind !== 'delivering' || work.until > now) return;
  const { lease, outcome } = work;
  if (outcome.charge !== null) draft.write({ kind: 'dispute' });
  draft.do({ kind: 'delivered', lease, outcome });
}

export function workDue(work: Work): number {
  if (work.kind === 'delivering') return work.until;
  return work.kind === 'running' && work.stop === null ? work.endBy : Number.POSITIVE_INFINITY;
}

/**
 * When a run that begins now has to end: a run beyond its lease could not be paid. What counts is how long the lease
 * holds, since the clocks of the two nodes may differ; but whoever checks the receipt forgives no more than the skew.
 */
export function endOf({ grantedAt, expiresAt }: Lease, now: number): number {
  return Math.min(now + (expiresAt - grantedAt), expiresAt + LIMITS.clockSkewMs);
}

/** Again where the work may run twice and did not end this node before; else it ends as `interrupted`. */
export function onRestarted(draft: Draft, { mayRepeat }: Of<'restarted'>): void {
  const { work } = draft;
  if (work?.kind === 'delivering' && !work.lapsed && !work.offered) draft.do({ ...work, lapsed: true });
  if (work?.kind !== 'running') return;
  const crashes = work.crashes + 1;
  const again = mayRepeat && work.mayRepeat && crashes <= MAX_CRASHES;
  const message = 'The node stopped while it was executing this capsule.';
  const stop = work.stop ?? (again ? null : { code: 'interrupted' as const, message });
  draft.do({ ...work, crashes, stop, lapsed: true });
  if (!hasEnded(draft.state)) draft.become('executing', 'the node stopped while executing it');
}

function outcomeOf({ receipt }: Of<'ran'>): Outcome {
  const { status, receiptHash, charge } = receipt;
  return { status, receiptHash, charge };
}
