import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import { signAssignment } from '../capsule/assignment.ts';
import { identityOf } from '../capsule/identity.ts';
import { canRetryElsewhere } from '../lib/errors.ts';
import type { Decision } from '../market/types.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import { refusalOf } from './admission.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import type { DecisionLog } from './decision-log.ts';
import type { Executor } from './executor.ts';
import { deleteLease, type Lease, patchLease, readLease } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { hasEnded } from './records.ts';

/** Providers asked in one round: after so many refusals the rest are asked in the next, a pause later. */
const ASKED_PER_ROUND = 32;

/** The next thing to do for a capsule; what had to be stored for it is staged already. */
export type Plan =
  | { kind: 'local'; assignment: Assignment }
  | { kind: 'remote'; nodeId: string; assignment: Assignment; resumed: boolean }
  /** Nobody to ask now. `open`: whoever offers it may execute, so everybody is asked. */
  | { kind: 'search'; open: boolean; began: boolean }
  | { kind: 'gave_up'; error: ErrorBody }
  | { kind: 'ended' };

/** What a coordination remembers between two plans. It is lost with the process, and that does no harm. */
export interface PlanState {
  /** Nodes that declined in this round; asked again in the next. */
  declined: Map<string, ErrorBody>;
  cancelled: boolean;
  /** Until when a provider is sought, in monotonic milliseconds, where the capsule sets no time of its own. */
  searchUntil: number;
}

export type PlannerComponents = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'clock' | 'capsules' | 'engine' | 'ledger' | 'scheduler'
> & { outbox: Outbox; executor: Executor; decisions: DecisionLog; nodeId: string };

export const EXPIRED: ErrorBody = {
  code: 'expired',
  message: 'The capsule expired before it was executed.',
};
export const CANCELLED: ErrorBody = { code: 'cancelled', message: 'The capsule was cancelled.' };

/** Decides what to do next for a capsule, and stages what must be durable before it is done. */
export class Planner {
  readonly #components: PlannerComponents;
  readonly #init: Pick<ExchangeInit, 'leaseMs' | 'maxRetries'>;

  constructor(components: PlannerComponents, init: Pick<ExchangeInit, 'leaseMs' | 'maxRetries'>) {
    this.#components = components;
    this.#init = init;
  }

  plan(tx: Transaction, capsule: Capsule, state: PlanState): Plan {
    const { capsules, clock } = this.#components;
    const record = capsules.record(capsule.id, tx);
    if (record === undefined || hasEnded(record)) return { kind: 'ended' };
    if (state.cancelled) return this.#giveUp(tx, record, CANCELLED);
    if (expiryOf(capsule) <= clock.now()) return this.#giveUp(tx, record, EXPIRED);
    const lease = readLease(tx, capsule.id);
    const { lastError, failedAt } = lease;
    const retries = capsule.executionPolicy?.maxRetries ?? this.#init.maxRetries;
    if (lastError !== null && (failedAt.length > retries || !canRetryElsewhere(lastError.code))) {
      return this.#giveUp(tx, record, lastError);
    }
    const executor = this.#choose(tx, capsule, lease, state.declined);
    return executor === undefined
      ? this.#search(tx, capsule, record, lease, state)
      : this.#grant(tx, capsule, record, executor, failedAt.length + 1);
  }

  /** The best node that has not refused or failed yet; the refusal of this node itself is noted. */
  #choose(
    tx: Transaction,
    capsule: Capsule,
    { failedAt, only }: Lease,
    declined: Map<string, ErrorBody>,
  ): string | undefined {
    const { clock, scheduler, decisions, nodeId } = this.#components;
    if (declined.size >= ASKED_PER_ROUND) return undefined;
    const tried = new Set([...failedAt, ...declined.keys()]);
    const asked = { tried, ...(only !== null && { only }), now: clock.now() };
    const decision = scheduler.choose(capsule, asked);
    decisions.add(tx, decision);
    for (const executor of this.#candidates(capsule, decision, only)) {
      if (tried.has(executor)) continue;
      const refusal = executor === nodeId ? refusalOf(this.#components, capsule) : undefined;
      if (refusal === undefined) return executor;
      declined.set(nodeId, refusal);
    }
    return undefined;
  }

  /** The ranking as node ids. A node that was named is asked even when the market does not know it. */
  #candidates(capsule: Capsule, { ranking }: Decision, only: string | null): string[] {
    const { nodeId } = this.#components;
    const ranked = ranking.map((candidate) => (candidate.nodeId === 'local' ? nodeId : candidate.nodeId));
    if (only === null || ranked.length > 0) return ranked;
    // What is restricted must not even be shown to a node that may not execute it.
    const admitted = capsule.privacyRule === 'public' || identityOf(only) === capsule.originIdentity;
    return admitted ? [only] : [];
  }

  #grant(tx: Transaction, capsule: Capsule, record: CapsuleRecord, executor: string, attempts: number): Plan {
    const { capsules, clock, crypto, signer, executor: self, nodeId } = this.#components;
    const assignment = signAssignment(signer, crypto, {
      capsuleId: capsule.id,
      executor: identityOf(executor),
      epoch: record.epoch + 1,
      expiresAt: clock.now() + this.#init.leaseMs,
      replyTo: record.replyTo,
      coordinator: signer.identity,
    });
    if (executor === nodeId) {
      self.take(tx, capsule, assignment, attempts);
      return { kind: 'local', assignment };
    }
    const patch = { executor, epoch: assignment.epoch, attempts, note: `assigned to ${executor}` };
    if (record.status === 'executing') capsules.update(tx, capsule.id, patch);
    else capsules.setStatus(tx, capsule.id, 'executing', patch);
    patchLease(tx, capsule.id, { assignment });
    return { kind: 'remote', nodeId: executor, assignment, resumed: false };
  }

  #search(
    tx: Transaction,
    capsule: Capsule,
    record: CapsuleRecord,
    { only, lastError }: Lease,
    { declined, searchUntil }: PlanState,
  ): Plan {
    const { capsules, clock } = this.#components;
    // A capsule that says when it expires is sought a provider for until then.
    if (!Number.isFinite(expiryOf(capsule)) && clock.monotonic() >= searchUntil) {
      const nobody: ErrorBody = {
        code: 'no_provider',
        message: `No node offers ${capsule.requestedCapability} to this capsule.`,
      };
      return this.#giveUp(tx, record, lastError ?? [...declined.values()].at(-1) ?? nobody);
    }
    const began = record.status !== 'announced';
    if (began) capsules.setStatus(tx, record.id, 'announced', { executor: null });
    return { kind: 'search', open: only === null && capsule.privacyRule === 'public', began };
  }

  #giveUp(tx: Transaction, record: CapsuleRecord, error: ErrorBody): Plan {
    const { capsules, outbox, nodeId } = this.#components;
    const { lastReceipt: receipt, lastAssignment: assignment } = readLease(tx, record.id);
    const receiptHash = receipt?.receiptHash ?? null;
    capsules.setStatus(tx, record.id, 'failed', { error, receiptHash, held: false });
    capsules.putResult(tx, record.id, { result: null, receipt, assignment, settlement: null, steps: [] });
    deleteLease(tx, record.id);
    if (record.replyTo !== nodeId) outbox.put(tx, record.id, [record.replyTo]);
    return { kind: 'gave_up', error };
  }
}

/** ms since the epoch; infinite where the capsule does not say. */
export function expiryOf(capsule: Capsule): number {
  return capsule.executionPolicy?.expiresAt ?? Number.POSITIVE_INFINITY;
}
