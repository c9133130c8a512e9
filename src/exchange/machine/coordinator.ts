import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { Draft } from './draft.ts';
import type { Reply } from './effect.ts';
import type { Event } from './event.ts';
import { ASKED_PER_ROUND, type Care, type Grant, KEPT_TRIES, newestGrant, type State } from './state.ts';
import { cancelled, expired, interrupted, neverBegan } from './verdicts.ts';

/*
 * The coordinator: learns how each lease ends, tries again, and gives up (node "Retrying"; protocol "Assignment"). To
 * whom the next one goes is in `choosing.ts`, accepting a result in `submitter.ts`.
 */

type Of<T extends Event['type']> = Extract<Event, { type: T }>;

export function onChanged(draft: Draft): void {
  if (draft.care?.phase.kind === 'waiting') choose(draft);
}

function choose(draft: Draft): void {
  draft.to({ kind: 'choosing' });
}

/** Also late: whoever was given up as silent or lost, and is at it after all, keeps the lease while no other has it. */
const TAKES_ACCEPTANCE: ReadonlySet<string> = new Set(['ordered', 'waiting', 'learning']);

export function onAccepted(draft: Draft, { from, epoch }: Of<'accepted'>): void {
  const grant = current(draft, from, epoch);
  const kind = draft.care?.phase.kind;
  if (grant === undefined || grant.void || kind === undefined || !TAKES_ACCEPTANCE.has(kind)) return;
  const timeout = draft.capsule.executionPolicy?.timeout;
  const { graceMs } = draft.setting.limits;
  const endBy = timeout === undefined ? grant.lease.expiresAt + graceMs : draft.now + timeout + graceMs;
  draft.tend({ phase: { kind: 'running', endBy }, searchedFrom: null });
  draft.set({ executor: from });
  draft.become('executing');
}

export function onDeclined(draft: Draft, { from, epoch, error, retryAfterMs }: Of<'declined'>): void {
  const grant = current(draft, from, epoch);
  const kind = draft.care?.phase.kind;
  if (grant === undefined) return;
  // After it took the order, a refusal means that it lost the work.
  if (kind === 'running') return onUnknown(draft, { type: 'unknown', from, epoch });
  if (kind === 'cancelling') return draft.end('failed', { error: cancelled() });
  if (kind !== 'ordered' && kind !== 'learning') return;
  if (error.code === 'busy') draft.note({ kind: 'busy', node: from, retryAfterMs });
  // Only the submitter may go on, and whoever is asked next would say the same.
  if (error.code === 'continue_at_submitter' && draft.state.submitter !== draft.setting.self) {
    voidGrant(draft, grant);
    return giveUp(draft, error);
  }
  passOn(draft, grant, error);
}

/** It never had the order, so nothing of it was begun. */
export function onUnreachable(draft: Draft, { epoch }: Of<'unreachable'>): void {
  const grant = newest(draft, epoch);
  if (grant === undefined || draft.care?.phase.kind !== 'ordered') return;
  draft.note({ kind: 'silent', node: grant.executor });
  passOn(draft, grant, { code: 'unreachable', message: 'The node cannot be reached.' });
}

export function onSilent(draft: Draft, { epoch }: Of<'silent'>): void {
  const grant = newest(draft, epoch);
  if (grant === undefined || draft.care?.phase.kind !== 'ordered') return;
  draft.note({ kind: 'silent', node: grant.executor });
  if (!grant.mayRepeat) return learn(draft, grant, false);
  refuse(draft, grant.executor, { code: 'timeout', message: 'The node did not answer the order.' });
  choose(draft);
}

export function onLost(draft: Draft, { epoch }: Of<'lost'>): void {
  const grant = newest(draft, epoch);
  const kind = draft.care?.phase.kind;
  if (grant === undefined) return;
  if (kind === 'ordered') return onSilent(draft, { type: 'silent', epoch });
  if (kind !== 'running') return;
  draft.note({ kind: 'lost', node: grant.executor });
  if (!grant.mayRepeat) return learn(draft, grant, true);
  fail(draft, grant, { code: 'interrupted', message: 'The node that ran it was lost.' });
}

/** Its executor has no memory of it: it never came, or it is gone. */
export function onUnknown(draft: Draft, { from, epoch }: Of<'unknown'>): void {
  const { care } = draft;
  if (care?.phase.kind === 'elsewhere')
    return onHandedBack(draft, { type: 'handed_back', from, begun: true, epoch: draft.state.epoch });
  const grant = current(draft, from, epoch);
  if (care === null || grant === undefined) return;
  const { phase } = care;
  if (phase.kind === 'cancelling') return draft.end('failed', { error: cancelled() });
  const taken = phase.kind === 'running' || (phase.kind === 'learning' && phase.taken);
  if (phase.kind === 'learning' && !phase.taken)
    return passOn(draft, grant, { code: 'unreachable', message: 'The order never came.' });
  if (!taken) return;
  const lost: ErrorBody = { code: 'interrupted', message: 'The node that ran it has lost it.' };
  draft.note({ kind: 'failed', node: from, code: lost.code });
  if (grant.mayRepeat) fail(draft, grant, lost);
  else giveUp(draft, interrupted());
}

/** An execution under the newest lease ended badly, whoever says so; `learnt` by receipt or silence. */
export function fail(draft: Draft, grant: Grant, error: ErrorBody): void {
  const { care } = draft;
  if (care === null) return;
  const { executor, lease } = grant;
  const attempt = { executor, epoch: lease.epoch, error, at: draft.now };
  const tries = [...care.tries, attempt].slice(-KEPT_TRIES);
  draft.tend({ tries, searchedFrom: null });
  draft.become('executing', `failed at ${executor}: ${error.code}`);
  // What may not run twice, and may have begun, is not tried again.
  if (!grant.mayRepeat && !neverBegan(error)) return giveUp(draft, error);
  const retries = draft.capsule.executionPolicy?.maxRetries ?? draft.setting.limits.maxRetries;
  if (tries.length > retries) return giveUp(draft, error);
  choose(draft);
}

/**
 * What was ordered may have been sent before this node ended, and answered. Of work that may not run twice it is asked
 * what became of it: the same order again could be taken by a node whose refusal of the first is still on its way.
 */
export function onRestartedCare(draft: Draft): void {
  const { care } = draft;
  const grant = care === null ? undefined : newestGrant(care);
  if (care?.phase.kind === 'ordered' && grant?.mayRepeat === false) learn(draft, grant, false);
}

/** What the state itself asked for has come. */
export function onDue(draft: Draft): void {
  const { care, now } = draft;
  if (care === null) return;
  const { phase } = care;
  const { graceMs } = draft.setting.limits;
  const over = draft.state.expiresAt + (phase.kind === 'waiting' ? 0 : graceMs) <= now;
  switch (phase.kind) {
    case 'waiting':
      if (over) return giveUp(draft, expired(phase.error));
      if (phase.until <= now) return giveUp(draft, phase.error);
      if (phase.again !== null && phase.again <= now) choose(draft);
      return;
    case 'ordered':
      if (over) giveUp(draft, expired(lastError(care)));
      return;
    case 'running': {
      const grant = newestGrant(care);
      if (grant === undefined || (!over && phase.endBy > now)) return;
      draft.reply({ kind: 'cancel', to: grant.executor, epoch: grant.lease.epoch });
      if (over) return giveUp(draft, expired(lastError(care)));
      draft.note({ kind: 'failed', node: grant.executor, code: 'timeout' });
      if (!grant.mayRepeat) return learn(draft, grant, true);
      return fail(draft, grant, { code: 'timeout', message: 'The node did not end the work in time.' });
    }
    case 'learning':
      if (over || phase.until <= now) giveUp(draft, interrupted());
      return;
    case 'cancelling':
      if (over || phase.until <= now) draft.end('failed', { error: cancelled() });
      return;
    case 'elsewhere':
      if (over) giveUp(draft, expired(null));
      return;
    case 'choosing':
    case 'here':
    case 'ended':
      return;
  }
}

/** When the state wants to be looked at again; infinite where only others can move it. */
export function careDue({ phase }: Care, expiresAt: number, graceMs: number): number {
  const end = expiresAt + graceMs;
  switch (phase.kind) {
    case 'waiting':
      return Math.min(phase.until, phase.again ?? phase.until, expiresAt);
    case 'running':
      return Math.min(phase.endBy, end);
    case 'learning':
    case 'cancelling':
      return Math.min(phase.until, end);
    case 'ordered':
    case 'elsewhere':
      return end;
    case 'choosing':
    case 'here':
    case 'ended':
      return Number.POSITIVE_INFINITY;
  }
}

export function onCancel(draft: Draft): void {
  const { care, state, setting } = draft;
  if (care === null) return;
  const until = draft.now + setting.limits.graceMs;
  switch (care.phase.kind) {
    case 'waiting':
    case 'choosing':
      return giveUp(draft, cancelled());
    case 'ordered':
    case 'running':
    case 'learning': {
      const at = newestGrant(care)?.executor ?? setting.self;
      return draft.to({ kind: 'cancelling', at, until });
    }
    case 'elsewhere':
      return draft.to({ kind: 'cancelling', at: state.coordinator, until });
    case 'here':
      if (draft.work?.kind === 'running' && draft.work.stop === null)
        draft.do({ ...draft.work, stop: cancelled() });
      return;
    case 'cancelling':
    case 'ended':
      return;
  }
}

export function onCancelConfirmed(draft: Draft, { from }: Of<'cancel_confirmed'>): void {
  const phase = draft.care?.phase;
  if (phase?.kind === 'cancelling' && phase.at === from) giveUp(draft, cancelled());
}

/** The one who coordinated this step does not any more: the submitter does it itself. */
export function onHandedBack(draft: Draft, { from, begun, epoch }: Of<'handed_back'>): void {
  const { care, state } = draft;
  if (care === null || state.coordinator !== from) return;
  if (care.phase.kind === 'cancelling') return giveUp(draft, cancelled());
  if (care.phase.kind !== 'elsewhere') return;
  draft.set({ coordinator: draft.setting.self, epoch: Math.max(state.epoch, epoch) });
  draft.tend({ unknownRun: begun });
  choose(draft);
}

/** Nobody will do it any more. A coordinator that is not the submitter tells that one, who may go on. */
export function giveUp(draft: Draft, error: ErrorBody): void {
  const { care, state, setting } = draft;
  draft.end('failed', { error });
  if (state.submitter !== setting.self && care !== null) draft.reply(handBack(state, care));
}

/** The submitter goes on from the newest epoch: whoever had a lease of this node's takes its next one as a newer. */
export function handBack({ submitter: to, epoch }: State, care: Care): Extract<Reply, { kind: 'hand_back' }> {
  return { kind: 'hand_back', to, begun: mayHaveBegun(care), epoch };
}

/** Whether anybody may have begun it, so that work which may not run twice ends here. */
function mayHaveBegun({ grants, tries, unknownRun }: Care): boolean {
  return unknownRun || grants.some((grant) => !grant.void) || tries.some(({ error }) => !neverBegan(error));
}

function learn(draft: Draft, { lease }: Grant, taken: boolean): void {
  const until = Math.min(lease.expiresAt, draft.now + draft.setting.limits.learnMs);
  draft.to({ kind: 'learning', until, taken });
}

/** This lease is void, and its node is not asked again in this round. */
function passOn(draft: Draft, grant: Grant, error: ErrorBody): void {
  voidGrant(draft, grant);
  refuse(draft, grant.executor, error);
  choose(draft);
}

function voidGrant(draft: Draft, grant: Grant): void {
  const grants = draft.care?.grants ?? [];
  draft.tend({ grants: grants.map((each) => (each === grant ? { ...each, void: true } : each)) });
}

function refuse(draft: Draft, executor: string, error: ErrorBody): void {
  const asked = draft.care?.asked ?? [];
  draft.tend({ asked: [...asked, { executor, error }].slice(-ASKED_PER_ROUND) });
}

function newest({ care }: Draft, epoch: number): Grant | undefined {
  const grant = care === null ? undefined : newestGrant(care);
  return grant?.lease.epoch === epoch ? grant : undefined;
}

function current(draft: Draft, from: string, epoch: number): Grant | undefined {
  const grant = newest(draft, epoch);
  return grant?.executor === from ? grant : undefined;
}

/** Why it is not done yet, as far as somebody said so. */
export function lastError({ tries, asked }: Care): ErrorBody | null {
  return tries.at(-1)?.error ?? asked.at(-1)?.error ?? null;
}
