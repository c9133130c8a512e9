import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { identityOf } from '../../capsule/identity.ts';
import { chargesByPrice } from '../../capsule/roles.ts';
import { giveUp, lastError } from './coordinator.ts';
import { type Draft, LONGEST_RETRY_PAUSE_MS } from './draft.ts';
import type { Choosable, Event } from './event.ts';
import { ASKED_PER_ROUND, type Grant, KEPT_GRANTS, KEPT_REFUSED, UNPROVEN_TRIES } from './state.ts';
import { canPass, continueAtSubmitter, expired, interrupted } from './verdicts.ts';

/*
 * Who gets the next lease: the best that was not tried, else who failed and may be asked again, else nobody for now
 * (node "Waiting", "Retrying").
 */

type Of<T extends Event['type']> = Extract<Event, { type: T }>;

/** The scheduler's answer to `choosing`. */
export function onChosen(draft: Draft, event: Of<'chosen'>): void {
  const { care } = draft;
  if (care?.phase.kind !== 'choosing') return;
  if (draft.state.expiresAt <= draft.now) return giveUp(draft, expired(lastError(care)));
  const { self } = draft.setting;
  const refusals = [...care.asked];
  const tried = new Map(care.tries.map(({ executor, error, at }) => [executor, { error, at }]));
  let repeated: { candidate: Choosable; at: number } | undefined;
  let barred = false;
  for (const candidate of event.ranking) {
    const { nodeId } = candidate;
    if (care.refused.includes(nodeId) || refusals.some(({ executor }) => executor === nodeId)) continue;
    // Two executions of a parent have different children: only the submitter knows which of them counts.
    const once = care.unknownRun || draft.state.submitter !== self;
    if (once && !mayRepeat(draft, candidate)) {
      barred = true;
      continue;
    }
    // A node that the caller named is worth every try.
    const trusted = candidate.proven || nodeId === self || care.only !== null;
    if (!trusted && care.unproven >= UNPROVEN_TRIES) continue;
    if (nodeId === self && event.local !== null) {
      refusals.push({ executor: self, error: event.local });
      continue;
    }
    const failed = tried.get(nodeId);
    if (failed === undefined) {
      if (refusals.length >= ASKED_PER_ROUND) break;
      draft.tend({ asked: refusals });
      return grant(draft, candidate);
    }
    // Others first; the one that failed longest ago after them, where its failure can pass.
    if (canPass(failed.error) && (repeated === undefined || failed.at < repeated.at))
      repeated = { candidate, at: failed.at };
  }
  draft.tend({ asked: refusals });
  if (repeated !== undefined) return again(draft, repeated.candidate, repeated.at);
  if (barred) return giveUp(draft, draft.state.submitter === self ? interrupted() : continueAtSubmitter());
  nobodyLeft(draft, event);
}

/** The same node once more, after a pause that grows with every failure. */
function again(draft: Draft, candidate: Choosable, failedAt: number): void {
  const { care } = draft;
  if (care === null) return;
  const { retryMs } = draft.setting.limits;
  const pause = Math.min(retryMs * 2 ** Math.max(0, care.tries.length - 1), LONGEST_RETRY_PAUSE_MS);
  const at = failedAt + pause;
  if (at <= draft.now) return grant(draft, candidate);
  wait(draft, {
    again: at,
    error: lastError(care) ?? interrupted(),
    searchMs: draft.setting.limits.searchMs,
  });
}

function nobodyLeft(draft: Draft, { nobody, hopeless }: Of<'chosen'>): void {
  const { care } = draft;
  if (care === null) return;
  const { limits } = draft.setting;
  const failure = care.tries.at(-1)?.error;
  // Every node that is known has said that no retry of its own helps.
  const final = [...care.tries, ...care.asked].every((each) => !canPass(each.error));
  if (failure !== undefined && final) return giveUp(draft, failure);
  const error = failure ?? care.asked.at(-1)?.error ?? nobody;
  // A name that somebody had is no misspelt one.
  const unheard = hopeless && care.grants.length === 0;
  wait(draft, { again: null, error, searchMs: unheard ? limits.hopelessMs : limits.searchMs });
}

function wait(
  draft: Draft,
  { again: at, error, searchMs }: { again: number | null; error: ErrorBody; searchMs: number },
): void {
  const { care, capsule, now } = draft;
  if (care === null) return;
  const searchedFrom = care.searchedFrom ?? now;
  const until = Math.min(
    care.patient ? Number.POSITIVE_INFINITY : searchedFrom + searchMs,
    draft.state.expiresAt,
  );
  if (until <= now) return giveUp(draft, error);
  const open = capsule.privacyRule === 'public' && care.only === null;
  // Whoever refused is asked again when everybody was asked.
  const more = care.asked.length >= ASKED_PER_ROUND;
  const refused = more
    ? [...care.refused, ...care.asked.map(({ executor }) => executor)].slice(-KEPT_REFUSED)
    : [];
  const phase = { kind: 'waiting', until, again: at, open, error } as const;
  draft.tend({ searchedFrom, asked: [], refused, phase });
  if (draft.state.status !== 'announced') {
    draft.set({ executor: null });
    draft.become('announced', at === null ? error.message : `to be tried again: ${error.message}`);
  }
}

function grant(draft: Draft, { nodeId, price, idempotent, proven }: Choosable): void {
  const { care, state, capsule, now } = draft;
  if (care === null) return;
  const { self, identity, limits } = draft.setting;
  const { acceptTimeoutMs, graceMs, maxRunMs } = limits;
  const runMs = capsule.executionPolicy?.timeout ?? maxRunMs;
  const epoch = state.epoch + 1;
  const lease = {
    capsuleId: state.id,
    executor: identityOf(nodeId),
    epoch,
    price: nodeId === self ? 0 : agreedPrice(draft, price),
    grantedAt: now,
    expiresAt: Math.min(state.expiresAt, now + acceptTimeoutMs + runMs + 2 * graceMs),
    coordinator: identity,
  };
  const granted: Grant = {
    lease,
    executor: nodeId,
    mayRepeat: mayRepeat(draft, { idempotent }),
    void: false,
  };
  draft.tend({
    grants: [...care.grants, granted].slice(-KEPT_GRANTS),
    unproven: care.unproven + (proven || nodeId === self ? 0 : 1),
    phase: nodeId === self ? { kind: 'here' } : { kind: 'ordered' },
  });
  draft.set({ executor: nodeId, epoch, attempts: care.tries.length + 1 });
  draft.become('executing', `assigned to ${nodeId === self ? 'this node' : nodeId}`);
  if (nodeId !== self) return;
  const { mayRepeat: repeatable } = granted;
  const endBy = lease.expiresAt;
  draft.do({ kind: 'running', lease, mayRepeat: repeatable, endBy, crashes: 0, stop: null, lapsed: false });
}

/** What the lease of another node names: its offer where the rule charges by price, else the amount. */
function agreedPrice({ capsule, setting }: Draft, offered: number): number {
  if (capsule.paymentRule === null) return 0;
  if (setting.identity !== capsule.originIdentity) return 0;
  return chargesByPrice(capsule) ? offered : capsule.paymentRule.amount;
}

function mayRepeat({ capsule }: Draft, { idempotent }: Pick<Choosable, 'idempotent'>): boolean {
  return idempotent && capsule.executionPolicy?.atMostOnce !== true;
}
