import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { verifyAssignment } from '../capsule/assignment.ts';
import { checkCapsule } from '../capsule/check-capsule.ts';
import { identityOf, nodeIdOf } from '../capsule/identity.ts';
import { capsuleToIntent } from '../capsule/intent.ts';
import type { Outcome } from '../engine/types.ts';
import { MeshError } from '../lib/errors.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import { microAmount, refusalOf } from './admission.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import type { EventLog } from './event-log.ts';
import { deleteLease, noteFailure, patchLease, readLease } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { hasEnded, newRecord, rootOf } from './records.ts';
import type { Spawner } from './spawner.ts';

/** What a declined coordinator is told to wait when the queue is full. */
const BUSY_RETRY_MS = 1_000;

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'clock' | 'db' | 'capsules' | 'engine' | 'ledger' | 'network' | 'faults' | 'log'
> & { events: EventLog; outbox: Outbox; spawner: Spawner };

interface Run {
  abort: AbortController;
  assignment: Assignment;
  progressSeq: number;
}

/** Executes what this node was assigned, by itself or by another coordinator, and hands the outcome on. */
export class Executor {
  readonly #components: Components;
  readonly #heartbeatMs: number;
  readonly #defaultRetries: number;
  readonly #nodeId: string;
  /** Bounded by admission: nothing gets in here that the engine had no room for. */
  readonly #runs = new Map<string, Run>();
  #draining = false;
  #stopping = false;
  #onIdle: () => void = () => {};
  /** Tells the coordinator which children may go on. */
  readonly #onSpawned: (capsuleIds: string[]) => void;

  constructor(
    components: Components,
    init: Pick<ExchangeInit, 'heartbeatMs' | 'maxRetries'> & { onSpawned: (ids: string[]) => void },
  ) {
    this.#components = components;
    this.#heartbeatMs = init.heartbeatMs;
    this.#defaultRetries = init.maxRetries;
    this.#onSpawned = init.onSpawned;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  isRunning(capsuleId: string): boolean {
    return this.#runs.has(capsuleId);
  }

  /** An order from another node: verify, check, store, accept, execute (node "One way for a capsule"). */
  async onOrder(from: string, message: ExchangeMessageOf<'capsule_data'>): Promise<void> {
    const { faults, db, capsules, crypto, clock, log } = this.#components;
    faults.hit('order.received');
    const { exchangeId } = message;
    const checked = checkCapsule(crypto, message.capsule, { now: clock.now(), schemaChecked: true });
    if (!checked.ok) return this.#decline(from, exchangeId, message.capsule.id, checked.error);
    const { capsule } = checked;
    const { assignment } = message;
    const unleased =
      assignment === undefined
        ? leaseInvalid('An order needs an assignment.')
        : this.#leaseProblem(from, capsule, assignment);
    if (assignment === undefined || unleased !== undefined) {
      return this.#decline(
        from,
        exchangeId,
        capsule.id,
        unleased ?? leaseInvalid('An order needs an assignment.'),
      );
    }
    const known = capsules.record(capsule.id);
    if (
      known !== undefined &&
      known.coordinator === from &&
      (known.executor === this.#nodeId || hasEnded(known))
    ) {
      return this.#repeat(from, exchangeId, known);
    }
    const refusal = this.#refusal(from, capsule, known);
    if (refusal !== undefined) return this.#decline(from, exchangeId, capsule.id, refusal);

    const tx = db.transaction();
    const role = {
      now: clock.now(),
      coordinator: from,
      replyTo: assignment.replyTo,
      root: rootOf(capsule),
      held: false,
    };
    if (known === undefined) capsules.add(tx, capsule, newRecord(capsule, role));
    this.take(tx, capsule, assignment);
    await tx.commit();
    faults.hit('order.stored');
    await this.#send(from, { type: 'capsule_accept', exchangeId, capsuleId: capsule.id });
    faults.hit('accept.sent');
    log.debug({ capsuleId: capsule.id, from, epoch: assignment.epoch }, 'Order accepted');
    await this.execute(capsule, assignment);
  }

  /** Stages that this node holds the lease. The caller has admitted the capsule and commits. */
  take(tx: Transaction, capsule: Capsule, assignment: Assignment): void {
    const { capsules, ledger, signer, events } = this.#components;
    const record = capsules.record(capsule.id, tx);
    const patch = { executor: this.#nodeId, epoch: assignment.epoch, attempts: (record?.attempts ?? 0) + 1 };
    if (record?.status === 'executing') capsules.update(tx, capsule.id, patch);
    else capsules.setStatus(tx, capsule.id, 'executing', patch);
    patchLease(tx, capsule.id, { assignment });
    const amount = microAmount(capsule);
    if (amount > 0 && capsule.originIdentity !== signer.identity)
      ledger.reserve(capsule.id, capsule.originIdentity, amount);
    events.emit({ type: 'status', capsuleId: capsule.id, status: 'executing', executor: this.#nodeId });
  }

  /** Runs a capsule whose lease is stored; resolves when the outcome is durable and on its way. */
  async execute(capsule: Capsule, assignment: Assignment, interruptedBy?: MeshError): Promise<Outcome> {
    const { engine, clock, ledger, faults, events } = this.#components;
    const run: Run = { abort: new AbortController(), assignment, progressSeq: 0 };
    if (interruptedBy !== undefined) run.abort.abort(interruptedBy);
    this.#runs.set(capsule.id, run);
    const stopHeartbeats = this.#heartbeats(capsule.id, run);
    let children: string[] = [];
    try {
      const policy = capsule.executionPolicy;
      const untilExpiry =
        policy?.expiresAt === undefined ? undefined : Math.max(1, policy.expiresAt - clock.now());
      const timeoutMs = Math.min(
        policy?.timeout ?? Number.POSITIVE_INFINITY,
        untilExpiry ?? Number.POSITIVE_INFINITY,
      );
      const outcome = await engine.handleIntent(intentOf(capsule), {
        capsuleId: capsule.id,
        epoch: assignment.epoch,
        ...(Number.isFinite(timeoutMs) && { timeoutMs }),
        signal: run.abort.signal,
        onProgress: (update) => this.#progress(capsule.id, run, update),
        commit: (result, tx) => {
          if (this.#stopping) throw new MeshError('interrupted', 'The node is stopping.');
          faults.hit('run.finished');
          children = this.#conclude(tx, capsule, run.assignment, result);
        },
      });
      faults.hit('outcome.committed');
      if (this.#endedHere(outcome, assignment)) {
        const error = outcome.status === 'failed' ? outcome.error : null;
        events.emit({ type: 'done', capsuleId: capsule.id, status: outcome.status, error });
      }
      this.#onSpawned(children);
      await this.#deliver(capsule.id);
      return outcome;
    } finally {
      stopHeartbeats();
      this.#runs.delete(capsule.id);
      ledger.release(capsule.id);
      if (this.#runs.size === 0) this.#onIdle();
    }
  }

  /** After a restart: again where that does no harm and retries are left, else ended as `interrupted`. */
  async recover(record: CapsuleRecord): Promise<void> {
    const { capsules, db, engine, log } = this.#components;
    const capsule = capsules.get(record.id);
    const lease = readLease(db, record.id);
    if (capsule === undefined || lease.assignment === null) return;
    const interruptions = lease.interruptions + 1;
    const tx = db.transaction();
    patchLease(tx, record.id, { interruptions });
    capsules.update(tx, record.id, { note: 'the node stopped while executing it' });
    await tx.commit();
    const retriesLeft = interruptions <= (capsule.executionPolicy?.maxRetries ?? this.#defaultRetries);
    const idempotent = engine.offer(capsule.requestedCapability)?.capability.idempotent === true;
    log.info({ capsuleId: record.id, again: retriesLeft && idempotent }, 'Found an interrupted execution');
    const interruption = new MeshError(
      'interrupted',
      'The node stopped while it was executing this capsule.',
    );
    await this.execute(capsule, lease.assignment, retriesLeft && idempotent ? undefined : interruption);
  }

  /** Aborts a run; false where nothing runs. The outcome arrives as any other. */
  cancel(capsuleId: string): boolean {
    const run = this.#runs.get(capsuleId);
    run?.abort.abort(new MeshError('cancelled', 'The capsule was cancelled.'));
    return run !== undefined;
  }

  onCancel(from: string, message: ExchangeMessageOf<'capsule_cancel'>): void {
    const record = this.#components.capsules.record(message.capsuleId);
    if (record !== undefined && (from === record.coordinator || from === record.replyTo))
      this.cancel(record.id);
  }

  /** "What became of it?" Only the nodes that are owed the answer get it. */
  async onResultRequest(from: string, message: ExchangeMessageOf<'capsule_result_request'>): Promise<void> {
    const record = this.#components.capsules.record(message.capsuleId);
    const known = record !== undefined && (from === record.coordinator || from === record.replyTo);
    if (known) return this.#repeat(from, message.exchangeId, record);
    const error: ErrorBody = { code: 'not_found', message: 'This node does not know that capsule.' };
    return this.#decline(from, message.exchangeId, message.capsuleId, error);
  }

  /**
   * Takes no more orders, gives what runs `drainMs` to finish, then aborts the rest and writes nothing about it: to
   * the next start that is as interrupted as after a crash.
   */
  async stop(drainMs: number): Promise<void> {
    this.#draining = true;
    if (this.#runs.size > 0) {
      const { promise: waited, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      const cancelTimer = this.#components.clock.after(drainMs, resolve);
      await waited;
      cancelTimer();
    }
    this.#stopping = true;
    const reason = new MeshError('interrupted', 'The node is stopping.');
    for (const run of this.#runs.values()) run.abort.abort(reason);
  }

  /** Answers an order or a question for a capsule that this node has had before. It is never executed twice. */
  async #repeat(from: string, exchangeId: string, record: CapsuleRecord): Promise<void> {
    const { outbox, db } = this.#components;
    if (!hasEnded(record)) {
      const seq = this.#runs.get(record.id)?.progressSeq ?? 0;
      await this.#send(from, { type: 'capsule_accept', exchangeId, capsuleId: record.id });
      return this.#send(from, {
        type: 'capsule_progress',
        exchangeId,
        capsuleId: record.id,
        epoch: Math.max(1, record.epoch),
        seq,
      });
    }
    await db.flushed();
    const result = outbox.resultMessage(record.id);
    if (result !== undefined) await this.#send(from, result);
  }

  #refusal(from: string, capsule: Capsule, known: CapsuleRecord | undefined): ErrorBody | undefined {
    if (this.#draining) return { code: 'busy', message: 'This node is stopping.' };
    if (known !== undefined && known.coordinator !== from) {
      return { code: 'conflict', message: 'Another node coordinates this capsule.' };
    }
    return refusalOf(this.#components, capsule);
  }

  /** Why the assignment does not entitle `from` to order this here (protocol "Assignment"), or undefined. */
  #leaseProblem(from: string, capsule: Capsule, assignment: Assignment): ErrorBody | undefined {
    const { signer, crypto } = this.#components;
    if (assignment.capsuleId !== capsule.id) return leaseInvalid('The assignment names another capsule.');
    if (assignment.executor !== signer.identity)
      return leaseInvalid('The assignment names another executor.');
    if (assignment.coordinator !== identityOf(from))
      return leaseInvalid("The assignment is not the sender's.");
    const coordinator = capsule.delegation?.spawner ?? identityOf(assignment.replyTo);
    if (assignment.coordinator !== coordinator) {
      return leaseInvalid('Only the node that spawned or submitted a capsule may assign it.');
    }
    if (capsule.paymentRule !== null && identityOf(assignment.replyTo) !== capsule.originIdentity) {
      return leaseInvalid("Results of a paid capsule go to its origin's node.");
    }
    if (!verifyAssignment(crypto, assignment, { schemaChecked: true }).ok)
      return leaseInvalid("The assignment's signature does not verify.");
    return undefined;
  }

  /** Stages everything that belongs together with the receipt. Gives the children that may go on at once. */
  #conclude(tx: Transaction, capsule: Capsule, assignment: Assignment, outcome: Outcome): string[] {
    const { capsules, ledger, signer, spawner, outbox } = this.#components;
    const { receipt } = outcome;
    const ownLease = assignment.coordinator === signer.identity;
    if (outcome.status === 'failed' && ownLease) {
      noteFailure(tx, { capsuleId: capsule.id, nodeId: this.#nodeId, error: outcome.error, receipt });
      capsules.update(tx, capsule.id, { note: `failed here: ${outcome.error.code}` });
      return [];
    }
    const accepted = assignment.replyTo === this.#nodeId;
    let steps: ReturnType<Spawner['spawnAsExecutor']> = [];
    if (outcome.status === 'completed') {
      const amount = microAmount(capsule);
      if (amount > 0 && capsule.originIdentity !== signer.identity) {
        const payment = { debit: capsule.originIdentity, credit: signer.identity, microAmount: amount };
        ledger.book(tx, { reference: `capsule:${capsule.id}`, ...payment, receiptHash: receipt.receiptHash });
      }
      const root = capsules.record(capsule.id, tx)?.root ?? rootOf(capsule);
      const finished = { capsule, receipt, result: outcome.result, replyTo: assignment.replyTo, root };
      steps = spawner.spawnAsExecutor(tx, finished, { held: !accepted });
      if (accepted && steps.length === 0) steps = spawner.spawnAsOrigin(tx, finished);
    }
    const error = outcome.status === 'failed' ? outcome.error : null;
    capsules.setStatus(tx, capsule.id, outcome.status, { error, receiptHash: receipt.receiptHash });
    const result = outcome.status === 'completed' ? outcome.result : null;
    capsules.putResult(tx, capsule.id, { result, receipt, assignment, settlement: null, steps });
    deleteLease(tx, capsule.id);
    outbox.put(tx, capsule.id, this.#waiting(assignment, outcome));
    return accepted ? steps.flatMap(({ child }) => child ?? []) : [];
  }

  /** Nodes that are owed the result: a failure is the coordinator's to act on, a success is for both. */
  #waiting(assignment: Assignment, outcome: Pick<Outcome, 'status'>): string[] {
    const coordinator = nodeIdOf(assignment.coordinator);
    const nodes = outcome.status === 'completed' ? [coordinator, assignment.replyTo] : [coordinator];
    return [...new Set(nodes)].filter((nodeId) => nodeId !== this.#nodeId);
  }

  #endedHere(outcome: Outcome, assignment: Assignment): boolean {
    return outcome.status === 'completed' || assignment.coordinator !== this.#components.signer.identity;
  }

  async #deliver(capsuleId: string): Promise<void> {
    const { outbox, faults } = this.#components;
    for (const target of outbox.targets(capsuleId)) await outbox.deliver(target, capsuleId);
    faults.hit('result.sent');
  }

  #progress(capsuleId: string, run: Run, update: { delta?: string; stage?: string }): void {
    this.#components.events.emit({ type: 'progress', capsuleId, ...update });
    this.#sendProgress(capsuleId, run, update);
  }

  #sendProgress(capsuleId: string, run: Run, update: { delta?: string; stage?: string }): void {
    const { epoch } = run.assignment;
    const seq = run.progressSeq++;
    for (const target of this.#waiting(run.assignment, { status: 'completed' })) {
      void this.#send(target, {
        type: 'capsule_progress',
        exchangeId: capsuleId.slice(0, 16),
        capsuleId,
        epoch,
        seq,
        ...update,
      });
    }
  }

  #heartbeats(capsuleId: string, run: Run): () => void {
    let cancel = () => {};
    const beat = () => {
      cancel = this.#components.clock.after(this.#heartbeatMs, () => {
        this.#sendProgress(capsuleId, run, {});
        beat();
      });
    };
    beat();
    return () => cancel();
  }

  #decline(to: string, exchangeId: string, capsuleId: string, error: ErrorBody): Promise<void> {
    const load = this.#components.engine.load();
    const retry = error.code === 'busy' ? { retryAfterMs: BUSY_RETRY_MS } : {};
    return this.#send(to, { type: 'capsule_decline', exchangeId, capsuleId, ...error, ...retry, load });
  }

  /** Whatever cannot be sent now is asked for again, or redelivered. */
  async #send(to: string, message: ExchangeMessage): Promise<void> {
    try {
      await this.#components.network.send(to, message);
    } catch (error) {
      this.#components.log.debug({ to, type: message.type, error }, 'Message not sent');
    }
  }
}

/**
 * A step that the origin continued itself proves nothing about where its payload came from, so all of it counts as
 * another step's result.
 */
function intentOf(capsule: Capsule): ReturnType<typeof capsuleToIntent> {
  const unproven = capsule.parentCapsule !== null && capsule.delegation === undefined;
  if (!unproven) return capsuleToIntent(capsule);
  return capsuleToIntent(
    capsule,
    Object.keys(capsule.payload).filter((key) => key !== 'action'),
  );
}

function leaseInvalid(message: string): ErrorBody {
  return { code: 'lease_invalid', message };
}
