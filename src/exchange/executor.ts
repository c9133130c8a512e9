import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { capsuleToIntent } from '../capsule/intent.ts';
import type { Outcome } from '../engine/types.ts';
import { MeshError } from '../lib/errors.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import { microAmount } from './admission.ts';
import { callAt } from './call-at.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import { type Concluded, Conclusion } from './conclusion.ts';
import type { EventLog } from './event-log.ts';
import { patchLease, readLease } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { Reports, type Run } from './reports.ts';
import type { Spawner } from './spawner.ts';

/** Orders on their way from the network to the engine's queue; the engine's own bound counts what is in it. */
const MAX_STARTING = 256;

type Components = Pick<
  ExchangeComponents,
  'signer' | 'clock' | 'db' | 'capsules' | 'engine' | 'ledger' | 'network' | 'faults' | 'log'
> & { events: EventLog; outbox: Outbox; spawner: Spawner };

export interface ExecutorInit extends Pick<ExchangeInit, 'heartbeatMs' | 'maxRetries'> {
  /** Told which next steps may go on. */
  onSpawned: (capsuleIds: string[]) => void;
}

/** Executes what this node was assigned, by itself or by another coordinator, and hands the outcome on. */
export class Executor {
  readonly #components: Components;
  readonly #init: ExecutorInit;
  readonly #nodeId: string;
  readonly #conclusion: Conclusion;
  readonly #reports: Reports;
  /** Bounded by admission: nothing gets in here that the engine had no room for. */
  readonly #runs = new Map<string, Run>();
  #starting = 0;
  #draining = false;
  #stopping = false;
  #onIdle: () => void = () => {};

  constructor(components: Components, init: ExecutorInit) {
    this.#components = components;
    this.#init = init;
    this.#nodeId = nodeIdOf(components.signer.identity);
    this.#conclusion = new Conclusion(components);
    this.#reports = new Reports({ ...components, nodeId: this.#nodeId }, init);
  }

  /** No more orders: this node stops, or as many as may be are on their way to the engine. */
  get full(): boolean {
    return this.#draining || this.#starting >= MAX_STARTING;
  }

  isRunning(capsuleId: string): boolean {
    return this.#runs.has(capsuleId);
  }

  /** Stages that this node holds the lease. The caller has admitted the capsule, commits, and then executes. */
  take(tx: Transaction, capsule: Capsule, assignment: Assignment, attempts: number): void {
    const { capsules } = this.#components;
    const record = capsules.record(capsule.id, tx);
    const patch = { executor: this.#nodeId, epoch: assignment.epoch, attempts };
    if (record?.status === 'executing') capsules.update(tx, capsule.id, patch);
    else capsules.setStatus(tx, capsule.id, 'executing', patch);
    patchLease(tx, capsule.id, { assignment });
    this.#reserve(capsule);
  }

  /** From here on the execution can be cancelled. Follow it with `execute` or `dismiss`. */
  admit(capsule: Capsule, assignment: Assignment): Run {
    const run: Run = { capsule, assignment, abort: new AbortController(), sequence: 0, concluded: false };
    this.#runs.set(capsule.id, run);
    this.#starting++;
    return run;
  }

  dismiss({ capsule }: Run): void {
    this.#starting--;
    this.#end(capsule.id);
  }

  /** Resolves when the outcome is durable and on its way. Rejects only when it could not be stored. */
  async execute(run: Run): Promise<void> {
    const { faults, outbox } = this.#components;
    const { id } = run.capsule;
    const cancelExpiry = this.#endAtExpiry(run);
    const stopReports = this.#reports.follow(run);
    let concluded: Concluded;
    try {
      concluded = await this.#handle(run);
    } finally {
      cancelExpiry();
      stopReports();
      this.#end(id);
    }
    faults.hit('outcome.committed');
    this.#tell(id, concluded);
    this.#init.onSpawned(concluded.free);
    await outbox.deliverAll(id);
    faults.hit('result.sent');
  }

  /** After a restart: again where that does no harm and retries are left, else ended as `interrupted`. */
  async recover(record: CapsuleRecord): Promise<void> {
    const { capsules, db, engine, log } = this.#components;
    const capsule = capsules.get(record.id);
    const { assignment, failedAt, interruptions } = readLease(db, record.id);
    // A failure that only its coordinator acts on leaves the record as it was.
    if (capsule === undefined || assignment === null || failedAt.includes(this.#nodeId)) return;
    const retriesLeft = interruptions < (capsule.executionPolicy?.maxRetries ?? this.#init.maxRetries);
    const idempotent = engine.offer(capsule.requestedCapability)?.capability.idempotent === true;
    const again = retriesLeft && idempotent;
    log.info({ capsuleId: record.id, again }, 'Found an interrupted execution');
    this.#reserve(capsule);
    const run = this.admit(capsule, assignment);
    try {
      const tx = db.transaction();
      patchLease(tx, record.id, { interruptions: interruptions + 1 });
      const note = 'the node stopped while executing it';
      capsules.update(tx, record.id, { attempts: record.attempts + (again ? 1 : 0), note });
      await tx.commit();
    } catch (error) {
      this.dismiss(run);
      throw error;
    }
    if (!again) {
      const message = 'The node stopped while it was executing this capsule.';
      run.abort.abort(new MeshError('interrupted', message));
    }
    await this.execute(run);
  }

  /** Aborts a run, if there is one. The outcome arrives like that of every run. */
  cancel(capsuleId: string): void {
    this.#runs.get(capsuleId)?.abort.abort(new MeshError('cancelled', 'The capsule was cancelled.'));
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

  /** Runs it; what belongs together with the receipt is in the receipt's batch. */
  async #handle(run: Run): Promise<Concluded> {
    const { engine, faults } = this.#components;
    const { capsule, assignment, abort } = run;
    const timeoutMs = capsule.executionPolicy?.timeout;
    let concluded: Concluded | undefined;
    const handled = engine.handleIntent(intentOf(capsule), {
      capsuleId: capsule.id,
      epoch: assignment.epoch,
      ...(timeoutMs !== undefined && { timeoutMs }),
      signal: abort.signal,
      onProgress: (update) => this.#reports.tell(run, update),
      commit: (outcome: Outcome, tx: Transaction) => {
        if (this.#stopping) throw new MeshError('interrupted', 'The node is stopping.');
        faults.hit('run.finished');
        concluded = this.#conclusion.stage(tx, capsule, assignment, outcome);
        run.concluded = true;
      },
    });
    // The engine counts it from now on.
    this.#starting--;
    await handled;
    if (concluded === undefined) throw new MeshError('internal', 'The engine concluded nothing.');
    return concluded;
  }

  #endAtExpiry({ capsule, abort }: Run): () => void {
    const expiresAt = capsule.executionPolicy?.expiresAt;
    if (expiresAt === undefined) return () => {};
    return callAt(this.#components.clock, expiresAt, () =>
      abort.abort(new MeshError('expired', 'The capsule expired while it was executed.')),
    );
  }

  #reserve(capsule: Capsule): void {
    const { ledger, signer } = this.#components;
    const amount = microAmount(capsule);
    if (amount > 0 && capsule.originIdentity !== signer.identity) {
      ledger.reserve(capsule.id, capsule.originIdentity, amount);
    }
  }

  #end(capsuleId: string): void {
    this.#runs.delete(capsuleId);
    this.#components.ledger.release(capsuleId);
    if (this.#runs.size === 0) this.#onIdle();
  }

  #tell(capsuleId: string, { ended, children }: Concluded): void {
    const { events } = this.#components;
    if (ended !== null) events.emit({ type: 'done', capsuleId, ...ended });
    for (const child of children) {
      events.emit({ type: 'status', capsuleId: child, status: 'pending', executor: null });
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
