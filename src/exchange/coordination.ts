import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { type ErrorBody, isErrorCode } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { signAssignment } from '../capsule/assignment.ts';
import { identityOf } from '../capsule/identity.ts';
import { canRetryElsewhere } from '../lib/errors.ts';
import type { Candidate, Decision } from '../market/types.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import { refusalOf } from './admission.ts';
import type { Announcer } from './announcer.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import type { DecisionLog } from './decision-log.ts';
import type { EventLog } from './event-log.ts';
import type { Executor } from './executor.ts';
import { deleteLease, patchLease, readLease } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { hasEnded } from './records.ts';
import { type AttemptOutcome, RemoteAttempt } from './remote-attempt.ts';

export type CoordinationComponents = Pick<
  ExchangeComponents,
  | 'signer'
  | 'crypto'
  | 'clock'
  | 'db'
  | 'capsules'
  | 'engine'
  | 'ledger'
  | 'scheduler'
  | 'health'
  | 'network'
  | 'faults'
  | 'log'
> & {
  events: EventLog;
  outbox: Outbox;
  executor: Executor;
  announcer: Announcer;
  decisions: DecisionLog;
  nodeId: string;
};

/** The next thing to do for a capsule; what had to be stored for it is staged already. */
type Plan =
  | { kind: 'local'; assignment: Assignment }
  | { kind: 'remote'; nodeId: string; assignment: Assignment; resumed: boolean }
  | { kind: 'search' }
  | { kind: 'ended'; error: ErrorBody | null };

const EXPIRED: ErrorBody = { code: 'expired', message: 'The capsule expired before it was executed.' };
const CANCELLED: ErrorBody = { code: 'cancelled', message: 'The capsule was cancelled.' };

/**
 * Brings one capsule to its end: choose, grant a lease, wait for the outcome, and walk on to the next provider
 * until one result is accepted or nothing is left to try (node "One way for a capsule", protocol "Assignment").
 */
export class Coordination {
  readonly capsule: Capsule;
  readonly #components: CoordinationComponents;
  readonly #init: ExchangeInit;
  /** Nodes that declined in this round; asked again in the next. */
  readonly #declined = new Map<string, ErrorBody>();
  /** Executors whose lease was lost: told to stop once the capsule has ended. */
  readonly #lost = new Set<string>();
  #attempt: RemoteAttempt | undefined;
  #cancelled = false;
  #searchUntil: number;
  #endSearch: () => void = () => {};

  constructor(capsule: Capsule, components: CoordinationComponents, init: ExchangeInit) {
    this.capsule = capsule;
    this.#components = components;
    this.#init = init;
    this.#searchUntil = components.clock.now() + init.searchMs;
  }

  /** Chooses and stages; the caller commits, then hands the plan to `run`. */
  plan(tx: Transaction): Plan {
    const { capsules, clock, scheduler, decisions, nodeId } = this.#components;
    const { capsule } = this;
    const record = capsules.record(capsule.id, tx);
    if (record === undefined || hasEnded(record)) return { kind: 'ended', error: record?.error ?? null };
    const lease = readLease(tx, capsule.id);
    if (this.#cancelled) return this.#giveUp(tx, record, CANCELLED);
    if (this.#expiresAt <= clock.now()) return this.#giveUp(tx, record, EXPIRED);
    const { lastError } = lease;
    const retries = capsule.executionPolicy?.maxRetries ?? this.#init.maxRetries;
    if (lastError !== null && (lease.failedAt.length > retries || !canRetryElsewhere(lastError.code))) {
      return this.#giveUp(tx, record, lastError);
    }
    const tried = new Set([...lease.failedAt, ...this.#declined.keys()]);
    const only = lease.only === null ? {} : { only: lease.only };
    const decision = scheduler.choose(capsule, { tried, ...only, now: clock.now() });
    decisions.add(tx, decision);
    for (const executor of this.#candidates(decision, lease.only)) {
      if (tried.has(executor)) continue;
      const refusal = executor === nodeId ? refusalOf(this.#components, capsule) : undefined;
      if (refusal === undefined) return this.#grant(tx, record, executor, lease.failedAt.length);
      this.#declined.set(nodeId, refusal);
    }
    return this.#search(tx, record, lease.lastError);
  }

  /** After a restart: asks the executor that holds the lease before anybody else. */
  resume(nodeId: string, assignment: Assignment): Plan {
    return { kind: 'remote', nodeId, assignment, resumed: true };
  }

  /** Resolves when the capsule has ended. */
  async run(first: Plan): Promise<void> {
    let plan = first;
    for (;;) {
      await this.#perform(plan);
      if (plan.kind === 'ended') break;
      const tx = this.#components.db.transaction();
      plan = this.plan(tx);
      await tx.commit();
    }
    for (const nodeId of this.#lost) this.#sendCancel(nodeId);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#endSearch();
    if (this.#attempt === undefined) {
      this.#components.executor.cancel(this.capsule.id);
    } else {
      this.#sendCancel(this.#attempt.nodeId);
      this.#attempt.cancelling(CANCELLED);
    }
  }

  onAccept(from: string): void {
    this.#components.faults.hit('accept.received');
    this.#attemptOf(from)?.alive();
  }

  onProgress(from: string): void {
    this.#attemptOf(from)?.alive();
  }

  onDecline(from: string, message: ExchangeMessageOf<'capsule_decline'>): void {
    const code = isErrorCode(message.code) ? message.code : 'internal';
    const attempt = this.#attemptOf(from);
    const error: ErrorBody = { code, message: message.message };
    // After it took the order, "I do not know that capsule" means that it lost the work.
    if (attempt?.taken === true) attempt.end({ kind: 'lost' });
    else attempt?.end({ kind: 'declined', error, retryAfterMs: message.retryAfterMs ?? 0 });
  }

  onAccepted(by: string): void {
    this.#components.health.succeeded(by);
    this.#lost.delete(by);
    this.#attempt?.end({ kind: 'accepted' });
    this.#endSearch();
  }

  onFailure(from: string, error: ErrorBody): void {
    this.#attemptOf(from)?.end({ kind: 'failed', error });
  }

  onBid(): void {
    this.#components.clock.after(this.#init.bidWindowMs, () => this.#endSearch());
  }

  onDisconnect(nodeId: string): void {
    this.#attemptOf(nodeId)?.disconnected();
  }

  onReconnect(nodeId: string): void {
    if (this.#attemptOf(nodeId)?.reconnected()) this.#ask(nodeId);
  }

  get #expiresAt(): number {
    return this.capsule.executionPolicy?.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  #attemptOf(nodeId: string): RemoteAttempt | undefined {
    return this.#attempt?.nodeId === nodeId ? this.#attempt : undefined;
  }

  /** The ranking as node ids; a node that was named is asked even when the market does not know it. */
  #candidates(decision: Decision, only: string | null): string[] {
    const { nodeId } = this.#components;
    const ranked = decision.ranking.map((candidate: Candidate) =>
      candidate.nodeId === 'local' ? nodeId : candidate.nodeId,
    );
    return only !== null && ranked.length === 0 ? [only] : ranked;
  }

  #grant(tx: Transaction, record: CapsuleRecord, executor: string, failures: number): Plan {
    const { capsules, clock, crypto, signer, executor: self, nodeId, events } = this.#components;
    const { capsule } = this;
    const assignment = signAssignment(signer, crypto, {
      capsuleId: capsule.id,
      executor: identityOf(executor),
      epoch: record.epoch + 1,
      expiresAt: clock.now() + this.#init.leaseMs,
      replyTo: record.replyTo,
      coordinator: signer.identity,
    });
    if (executor === nodeId) {
      self.take(tx, capsule, assignment);
      return { kind: 'local', assignment };
    }
    const patch = {
      executor,
      epoch: assignment.epoch,
      attempts: failures + 1,
      note: `assigned to ${executor}`,
    };
    if (record.status === 'executing') capsules.update(tx, capsule.id, patch);
    else capsules.setStatus(tx, capsule.id, 'executing', patch);
    patchLease(tx, capsule.id, { assignment });
    events.emit({ type: 'status', capsuleId: capsule.id, status: 'executing', executor });
    return { kind: 'remote', nodeId: executor, assignment, resumed: false };
  }

  #search(tx: Transaction, record: CapsuleRecord, lastError: ErrorBody | null): Plan {
    const { capsules, clock, events } = this.#components;
    const until = Number.isFinite(this.#expiresAt) ? this.#expiresAt : this.#searchUntil;
    if (clock.now() >= until) {
      const declined = [...this.#declined.values()].at(-1);
      const nobody: ErrorBody = {
        code: 'no_provider',
        message: `No node offers ${this.capsule.requestedCapability} to this capsule.`,
      };
      return this.#giveUp(tx, record, lastError ?? declined ?? nobody);
    }
    if (record.status !== 'announced') {
      capsules.setStatus(tx, record.id, 'announced', { executor: null });
      events.emit({ type: 'status', capsuleId: record.id, status: 'announced', executor: null });
    }
    return { kind: 'search' };
  }

  #giveUp(tx: Transaction, record: CapsuleRecord, error: ErrorBody): Plan {
    const { capsules, outbox, nodeId } = this.#components;
    const { lastReceipt, lastAssignment } = readLease(tx, record.id);
    capsules.setStatus(tx, record.id, 'failed', { error, receiptHash: lastReceipt?.receiptHash ?? null });
    const proof = { receipt: lastReceipt, assignment: lastAssignment };
    capsules.putResult(tx, record.id, { result: null, ...proof, settlement: null, steps: [] });
    deleteLease(tx, record.id);
    if (record.replyTo !== nodeId) outbox.put(tx, record.id, [record.replyTo]);
    return { kind: 'ended', error };
  }

  async #perform(plan: Plan): Promise<void> {
    switch (plan.kind) {
      case 'local':
        await this.#components.executor.execute(this.capsule, plan.assignment);
        return;
      case 'remote':
        return this.#order(plan);
      case 'search':
        return this.#announceAndWait();
      case 'ended':
        return this.#finish(plan.error);
    }
  }

  async #order({ nodeId, assignment, resumed }: Extract<Plan, { kind: 'remote' }>): Promise<void> {
    const { network, clock, faults, log } = this.#components;
    const attempt = new RemoteAttempt(nodeId, clock, this.#init);
    this.#attempt = attempt;
    const expiry = this.#endAtExpiry(attempt);
    try {
      if (resumed) this.#ask(nodeId);
      else
        await network.send(nodeId, {
          type: 'capsule_data',
          exchangeId: exchangeIdOf(assignment),
          capsule: this.capsule,
          assignment,
        });
      faults.hit('order.sent');
    } catch (error) {
      log.debug({ nodeId, capsuleId: this.capsule.id, error }, 'Order not sent');
      attempt.end({ kind: 'silent' });
    }
    const outcome = await attempt.outcome;
    expiry();
    this.#attempt = undefined;
    await this.#learn(nodeId, outcome);
  }

  /** What the outcome means for the next choice: busy is not silent, and silent is not dead. */
  async #learn(nodeId: string, outcome: AttemptOutcome): Promise<void> {
    const { health, log } = this.#components;
    if (outcome.kind !== 'accepted')
      log.info({ capsuleId: this.capsule.id, nodeId, ...outcome }, 'Provider did not complete the capsule');
    switch (outcome.kind) {
      case 'accepted':
        return;
      case 'declined':
        this.#declined.set(nodeId, outcome.error);
        if (outcome.error.code === 'busy') health.declinedBusy(nodeId, outcome.retryAfterMs);
        return;
      case 'silent':
        this.#declined.set(nodeId, { code: 'unreachable', message: 'The provider did not answer.' });
        health.silent(nodeId);
        return;
      case 'failed':
        if (outcome.error.code !== 'cancelled') health.failed(nodeId);
        return this.#noteFailure(nodeId, outcome.error);
      case 'lost':
        health.failed(nodeId);
        this.#lost.add(nodeId);
        return this.#noteFailure(nodeId, {
          code: 'interrupted',
          message: 'The executor was lost while it held the lease.',
        });
    }
  }

  /** A failure that came with a receipt was stored when it came; one that this node concluded itself is stored here. */
  async #noteFailure(nodeId: string, error: ErrorBody): Promise<void> {
    const { capsules, db } = this.#components;
    const lease = readLease(db, this.capsule.id);
    const record = capsules.record(this.capsule.id);
    if (lease.failedAt.includes(nodeId) || record === undefined || hasEnded(record)) return;
    const tx = db.transaction();
    patchLease(tx, this.capsule.id, { failedAt: [...lease.failedAt, nodeId], lastError: error });
    capsules.update(tx, this.capsule.id, { note: `lost at ${nodeId}: ${error.code}` });
    await tx.commit();
  }

  async #announceAndWait(): Promise<void> {
    const { announcer, clock } = this.#components;
    const waited = new Promise<void>((resolve) => {
      const left = Math.max(1, Math.min(this.#init.announceIntervalMs, this.#expiresAt - clock.now()));
      const cancelTimer = clock.after(left, resolve);
      this.#endSearch = () => {
        cancelTimer();
        resolve();
      };
    });
    await announcer.announce(this.capsule);
    await waited;
    this.#endSearch = () => {};
    this.#declined.clear();
  }

  #finish(error: ErrorBody | null): void {
    const { events, outbox, capsules, ledger } = this.#components;
    ledger.release(this.capsule.id);
    const record = capsules.record(this.capsule.id);
    if (record?.status !== 'failed') return;
    events.emit({ type: 'done', capsuleId: record.id, status: 'failed', error });
    for (const target of outbox.targets(record.id)) void outbox.deliver(target, record.id);
  }

  #endAtExpiry(attempt: RemoteAttempt): () => void {
    if (!Number.isFinite(this.#expiresAt)) return () => {};
    const { clock } = this.#components;
    // The executor stops at the same moment and tells so; only if it does not is this side's word the last.
    const left = this.#expiresAt - clock.now() + this.#init.graceMs;
    return clock.after(left, () => attempt.end({ kind: 'failed', error: EXPIRED }));
  }

  #ask(nodeId: string): void {
    const { network } = this.#components;
    const { id } = this.capsule;
    network
      .send(nodeId, { type: 'capsule_result_request', exchangeId: id.slice(0, 16), capsuleId: id })
      .catch(() => {
        // Unanswered questions end by the attempt's own timer.
      });
  }

  #sendCancel(nodeId: string): void {
    const { network, capsules } = this.#components;
    const { id } = this.capsule;
    const epoch = Math.max(1, capsules.record(id)?.epoch ?? 1);
    network
      .send(nodeId, { type: 'capsule_cancel', exchangeId: id.slice(0, 16), capsuleId: id, epoch })
      .catch(() => {
        // A node that cannot be told to stop stops at its timeout.
      });
  }
}

function exchangeIdOf({ capsuleId, epoch }: Assignment): string {
  return `${capsuleId.slice(0, 16)}.${epoch}`;
}
