import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { type ErrorBody, isErrorCode } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Transaction } from '../store/types.ts';
import type { Announcer } from './announcer.ts';
import { callAt } from './call-at.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import type { EventLog } from './event-log.ts';
import type { Executor } from './executor.ts';
import { noteFailure, readLease } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { CANCELLED, EXPIRED, expiryOf, type Plan, type Planner, type PlanState } from './planner.ts';
import { hasEnded } from './records.ts';
import { type AttemptOutcome, RemoteAttempt } from './remote-attempt.ts';
import { Search } from './search.ts';
import { trySend } from './try-send.ts';

/** Executors that may still be at work on a capsule when it ends; more are left to their own timeouts. */
const MAX_TOLD_TO_STOP = 64;

export type CoordinationComponents = Pick<
  ExchangeComponents,
  'clock' | 'db' | 'capsules' | 'ledger' | 'health' | 'network' | 'faults' | 'log'
> & {
  events: EventLog;
  outbox: Outbox;
  executor: Executor;
  announcer: Announcer;
  planner: Planner;
  nodeId: string;
};

/**
 * Brings one capsule to its end: plan, perform, learn, until one result is accepted or nothing is left to try (node
 * "One way for a capsule", protocol "Assignment").
 */
export class Coordination {
  readonly capsule: Capsule;
  readonly #components: CoordinationComponents;
  readonly #init: ExchangeInit;
  readonly #state: PlanState;
  /** Nodes that may be executing it although their lease went to another. */
  readonly #leftBehind = new Set<string>();
  #attempt: RemoteAttempt | undefined;
  #search: Search | undefined;
  #stopped = false;

  constructor(capsule: Capsule, components: CoordinationComponents, init: ExchangeInit) {
    this.capsule = capsule;
    this.#components = components;
    this.#init = init;
    const searchUntil = components.clock.monotonic() + init.searchMs;
    this.#state = { declined: new Map(), cancelled: false, searchUntil };
  }

  /** The next step, staged; the caller commits and hands it to `run`. */
  plan(tx: Transaction): Plan {
    return this.#components.planner.plan(tx, this.capsule, this.#state);
  }

  /** Resolves when the capsule has ended, or the node stops. Without `first` it goes on from what is stored. */
  async run(first?: Plan): Promise<void> {
    let plan = first ?? (await this.#takeUp());
    while (!this.#stopped) {
      this.#tell(plan);
      if (plan.kind === 'gave_up' || plan.kind === 'ended') break;
      await this.#perform(plan);
      if (!this.#stopped) plan = await this.#next();
    }
    if (this.#stopped) return;
    this.#components.ledger.release(this.capsule.id);
    for (const nodeId of this.#leftBehind) this.#sendCancel(nodeId);
  }

  cancel(): void {
    this.#state.cancelled = true;
    this.#search?.end();
    if (this.#attempt === undefined) {
      this.#components.executor.cancel(this.capsule.id);
    } else {
      this.#sendCancel(this.#attempt.nodeId);
      this.#attempt.cancelling(CANCELLED);
    }
  }

  /** Leaves everything as it is stored; the next start takes it up. */
  stop(): void {
    this.#stopped = true;
    this.#search?.end();
    this.#attempt?.end({ kind: 'stopped' });
  }

  onAccept(from: string): void {
    this.#components.faults.hit('accept.received');
    this.#attemptOf(from)?.alive();
  }

  /** Whether it came from the node that holds the lease. */
  onProgress(from: string): boolean {
    const attempt = this.#attemptOf(from);
    attempt?.alive();
    return attempt !== undefined;
  }

  onDecline(from: string, { code, message, retryAfterMs = 0 }: ExchangeMessageOf<'capsule_decline'>): void {
    const attempt = this.#attemptOf(from);
    const error: ErrorBody = { code: isErrorCode(code) ? code : 'internal', message };
    // After it took the order, a refusal means that it lost the work.
    if (attempt?.taken === true) attempt.end({ kind: 'lost' });
    else attempt?.end({ kind: 'declined', error, retryAfterMs });
  }

  /** A result was accepted; whoever else is at it may stop. */
  onAccepted(by: string): void {
    const { executor, health } = this.#components;
    health.succeeded(by, this.capsule.requestedCapability);
    this.#leftBehind.delete(by);
    if (this.#attempt !== undefined && this.#attempt.nodeId !== by) this.#leave(this.#attempt.nodeId);
    this.#attempt?.end({ kind: 'accepted' });
    this.#search?.end();
    executor.cancel(this.capsule.id);
  }

  onFailure(from: string, error: ErrorBody): void {
    this.#leftBehind.delete(from);
    this.#attemptOf(from)?.end({ kind: 'failed', error });
  }

  /** Whether bids are wanted at this moment. */
  onBid(): boolean {
    this.#search?.bid(this.#init.bidWindowMs);
    return this.#search !== undefined;
  }

  onDisconnect(nodeId: string): void {
    this.#attemptOf(nodeId)?.disconnected();
  }

  onReconnect(nodeId: string): void {
    if (this.#attemptOf(nodeId)?.reconnected()) void this.#ask(nodeId);
  }

  #attemptOf(nodeId: string): RemoteAttempt | undefined {
    return this.#attempt?.nodeId === nodeId ? this.#attempt : undefined;
  }

  /** After a restart: whoever holds the lease goes first, this node's own interrupted run included. */
  async #takeUp(): Promise<Plan> {
    const { capsules, db, executor, nodeId } = this.#components;
    const record = capsules.record(this.capsule.id);
    const { assignment, failedAt } = readLease(db, this.capsule.id);
    const holder = record?.status === 'executing' ? record.executor : null;
    if (record === undefined || assignment === null || holder === null || failedAt.includes(holder)) {
      return this.#next();
    }
    if (holder !== nodeId) return { kind: 'remote', nodeId: holder, assignment, resumed: true };
    await executor.recover(record);
    return this.#next();
  }

  async #next(): Promise<Plan> {
    const tx = this.#components.db.transaction();
    const plan = this.plan(tx);
    await tx.commit();
    return plan;
  }

  /** What followers should know, once it is durable. The end of an accepted capsule is told where it is accepted. */
  #tell(plan: Plan): void {
    const { events, outbox, nodeId } = this.#components;
    const { id: capsuleId } = this.capsule;
    if (plan.kind === 'local' || (plan.kind === 'remote' && !plan.resumed)) {
      const executor = plan.kind === 'local' ? nodeId : plan.nodeId;
      events.emit({ type: 'status', capsuleId, status: 'executing', executor });
    } else if (plan.kind === 'search' && plan.began) {
      events.emit({ type: 'status', capsuleId, status: 'announced', executor: null });
    } else if (plan.kind === 'gave_up') {
      events.emit({ type: 'done', capsuleId, status: 'failed', error: plan.error });
      void outbox.deliverAll(capsuleId);
    }
  }

  async #perform(plan: Plan): Promise<void> {
    // Cancelled while the plan became durable: the next one gives up.
    if (this.#state.cancelled) return;
    const { executor } = this.#components;
    if (plan.kind === 'local') await executor.execute(executor.admit(this.capsule, plan.assignment));
    else if (plan.kind === 'remote') await this.#order(plan);
    else if (plan.kind === 'search') await this.#waitForBids(plan.open);
  }

  async #order({ nodeId, assignment, resumed }: Extract<Plan, { kind: 'remote' }>): Promise<void> {
    const { clock, faults, health } = this.#components;
    const attempt = new RemoteAttempt(nodeId, clock, this.#init);
    this.#attempt = attempt;
    // The executor stops at the same moment and tells so; only if it does not is this side's word the last.
    const cancelExpiry = Number.isFinite(expiryOf(this.capsule))
      ? callAt(clock, expiryOf(this.capsule) + this.#init.graceMs, () =>
          attempt.end({ kind: 'failed', error: EXPIRED }),
        )
      : () => {};
    health.attempted(nodeId, this.capsule.requestedCapability);
    if (resumed) {
      if (!(await this.#ask(nodeId))) attempt.unreachable();
    } else if (!(await this.#sendOrder(nodeId, assignment))) {
      attempt.end({ kind: 'silent' });
    }
    faults.hit('order.sent');
    const outcome = await attempt.outcome;
    cancelExpiry();
    this.#attempt = undefined;
    await this.#learn(nodeId, outcome);
  }

  /** What the outcome means for the next choice: busy is not silent, and silent is not dead. */
  async #learn(nodeId: string, outcome: AttemptOutcome): Promise<void> {
    const { health, log, clock } = this.#components;
    const { declined } = this.#state;
    const { requestedCapability: capability } = this.capsule;
    if (outcome.kind === 'accepted' || outcome.kind === 'stopped') return;
    log.info({ capsuleId: this.capsule.id, nodeId, ...outcome }, 'Provider did not complete the capsule');
    if (outcome.kind === 'declined') {
      const { error, retryAfterMs } = outcome;
      if (error.code === 'busy') health.declinedBusy(nodeId, capability, retryAfterMs);
      declined.set(nodeId, error);
      return;
    }
    if (outcome.kind === 'silent') {
      health.silent(nodeId, capability);
      this.#leave(nodeId);
      declined.set(nodeId, { code: 'unreachable', message: 'The provider did not answer.' });
      return;
    }
    this.#state.searchUntil = clock.monotonic() + this.#init.searchMs;
    if (outcome.kind === 'lost') {
      health.lost(nodeId, capability);
      this.#leave(nodeId);
      const message = 'The executor was lost while it held the lease.';
      return this.#noteFailure(nodeId, { code: 'interrupted', message });
    }
    const { error } = outcome;
    if (error.code === 'busy') health.declinedBusy(nodeId, capability, 0);
    else health.failed(nodeId, capability, error.code);
    return this.#noteFailure(nodeId, error);
  }

  /** A failure that came with a receipt was stored when it came; one that this node concluded itself is stored here. */
  async #noteFailure(nodeId: string, error: ErrorBody): Promise<void> {
    const { capsules, db } = this.#components;
    const { id: capsuleId } = this.capsule;
    const record = capsules.record(capsuleId);
    if (record === undefined || hasEnded(record)) return;
    if (readLease(db, capsuleId).failedAt.includes(nodeId)) return;
    const tx = db.transaction();
    noteFailure(tx, { capsuleId, nodeId, error, proof: null });
    capsules.update(tx, capsuleId, { note: `lost at ${nodeId}: ${error.code}` });
    await tx.commit();
  }

  async #waitForBids(open: boolean): Promise<void> {
    const { announcer, clock } = this.#components;
    const left = Math.max(1, expiryOf(this.capsule) - clock.now());
    this.#search = new Search(clock, Math.min(this.#init.announceIntervalMs, left));
    if (open) void announcer.announce(this.capsule);
    await this.#search.over;
    this.#search = undefined;
    this.#state.declined.clear();
  }

  #leave(nodeId: string): void {
    if (this.#leftBehind.size < MAX_TOLD_TO_STOP) this.#leftBehind.add(nodeId);
  }

  #sendOrder(nodeId: string, assignment: Assignment): Promise<boolean> {
    const exchangeId = `${assignment.capsuleId.slice(0, 16)}.${assignment.epoch}`;
    const { capsule } = this;
    return trySend(this.#components, nodeId, { type: 'capsule_data', exchangeId, capsule, assignment });
  }

  #ask(nodeId: string): Promise<boolean> {
    const { id: capsuleId } = this.capsule;
    const exchangeId = capsuleId.slice(0, 16);
    return trySend(this.#components, nodeId, { type: 'capsule_result_request', exchangeId, capsuleId });
  }

  /** A node that cannot be told to stop stops at its timeout. */
  #sendCancel(nodeId: string): void {
    const { id: capsuleId } = this.capsule;
    const epoch = Math.max(1, this.#components.capsules.record(capsuleId)?.epoch ?? 1);
    const exchangeId = capsuleId.slice(0, 16);
    void trySend(this.#components, nodeId, { type: 'capsule_cancel', exchangeId, capsuleId, epoch });
  }
}
