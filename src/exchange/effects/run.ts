import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { assignmentHash, leaseToTell } from '../../capsule/assignment.ts';
import { toMicro } from '../../capsule/credits.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { capsuleToIntent } from '../../capsule/intent.ts';
import { continuesAt } from '../../capsule/roles.ts';
import type { Outcome } from '../../engine/types.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ExchangeComponents, ExchangeInit } from '../components.ts';
import type { Event } from '../machine/event.ts';
import type { Lease } from '../machine/state.ts';
import { stepsOf } from '../steps.ts';
import { parting } from './parting.ts';
import type { Peers } from './peers.ts';
import type { Performer, Standing } from './performers.ts';
import type { Reports } from './reports.ts';
import type { Tickets } from './tickets.ts';

type Components = Pick<
  ExchangeComponents,
  'engine' | 'ledger' | 'signer' | 'crypto' | 'clock' | 'db' | 'faults' | 'log'
> & { peers: Peers; tickets: Tickets; reports: Reports };

/** How long a stranger's free run goes on while its submitter is away, in milliseconds. */
const STRANGER_PATIENCE_MS = 30_000;

/** Made once: a stack trace for each run would cost more than the run's bookkeeping. */
const OVER = new MeshError('cancelled', 'The capsule has ended.');

/** One run on this node. */
interface Run {
  readonly abort: AbortController;
  /** The state asks for it no more: its outcome belongs to nobody. */
  forgotten: boolean;
  /** Its outcome is staged: there is nothing left to abort. */
  over: boolean;
}

/**
 * Runs what this node was assigned. Everything that belongs together with the receipt is in the receipt's batch. A run
 * that the state stops ends like every other, with a receipt.
 */
export class Runs {
  readonly #components: Components;
  readonly #init: Pick<ExchangeInit, 'graceMs'>;
  readonly #self: string;
  readonly #runs = new Map<string, Run>();
  #stopping = false;
  #onIdle: () => void = () => {};

  constructor(components: Components, init: Pick<ExchangeInit, 'graceMs'>) {
    this.#components = components;
    this.#init = init;
    this.#self = nodeIdOf(components.signer.identity);
  }

  get draining(): boolean {
    return this.#stopping;
  }

  readonly run: Performer<'run'> = ({ lease }, standing) => {
    const run: Run = { abort: new AbortController(), forgotten: false, over: false };
    const { capsule } = standing;
    this.#runs.set(capsule.id, run);
    this.#reserve(capsule, lease);
    const stopReports = this.#components.reports.begin(capsule, lease, standing.state().submitter);
    const stopParting = this.#part(standing, lease);
    this.#handle(run, lease, standing).catch((error: unknown) => {
      if (!run.forgotten && !this.#stopping)
        this.#components.log.error({ capsuleId: capsule.id, err: error }, 'An outcome could not be stored');
    });
    return () => {
      stopReports();
      stopParting();
      run.forgotten = true;
      this.#components.tickets.release(capsule.id);
      this.#components.ledger.release(capsule.id);
      if (!run.over) run.abort.abort(OVER);
    };
  };

  readonly stop: Performer<'stop'> = ({ error }, { capsule }) => {
    this.#runs.get(capsule.id)?.abort.abort(new MeshError(error.code, error.message));
    return () => {};
  };

  /**
   * Gives what runs `drainMs` to finish, then aborts the rest and writes nothing about it: to the next start that is as
   * interrupted as after a crash.
   */
  async drain(drainMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#runs.size > 0) {
      const { promise: idle, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      const cancelTimer = this.#components.clock.after(drainMs, resolve);
      await idle;
      cancelTimer();
    }
    const reason = new MeshError('interrupted', 'The node is stopping.');
    for (const run of this.#runs.values()) {
      run.forgotten = true;
      run.abort.abort(reason);
    }
  }

  async #handle(run: Run, lease: Lease, standing: Standing): Promise<void> {
    const { engine, crypto, tickets, reports, faults, signer } = this.#components;
    const { capsule } = standing;
    const { id } = capsule;
    const ticket = tickets.take(id);
    const timeoutMs = capsule.executionPolicy?.timeout;
    const assignment = leaseToTell(signer, crypto, capsule, lease);
    let settled: Promise<void> | undefined;
    try {
      const handled = engine.handleIntent(capsuleToIntent(capsule), {
        capsuleId: id,
        epoch: lease.epoch,
        lease: assignmentHash(crypto, lease),
        price: lease.price > 0 ? lease.price : null,
        ...(ticket !== undefined && { ticket }),
        ...(timeoutMs !== undefined && { timeoutMs }),
        signal: run.abort.signal,
        onProgress: (update) => reports.tell(id, update),
        commit: (outcome, tx) => {
          if (run.forgotten) throw new MeshError('interrupted', 'The node is stopping.');
          faults.hit('run.finished');
          run.over = true;
          const settle = standing.stage(tx, this.#ran(standing, assignment, outcome));
          // The commit follows in this very turn.
          settled = Promise.resolve().then(() => settle(durable));
          // A commit that fails is told once, by `durable`.
          settled.catch(() => {});
        },
      });
      const durable = handled.then(() => faults.hit('outcome.committed'));
      await durable;
      await settled;
    } finally {
      this.#end(id, run);
    }
  }

  #ran(standing: Standing, lease: Assignment, outcome: Outcome): Extract<Event, { type: 'ran' }> {
    const { capsule } = standing;
    const { receipt } = outcome;
    const result = outcome.status === 'completed' ? outcome.result : undefined;
    const error = outcome.status === 'failed' ? outcome.error : null;
    const continues = standing.state().submitter === this.#self || continuesAt(capsule) === 'executor';
    const steps =
      continues && outcome.status === 'completed'
        ? stepsOf(this.#components, { parent: capsule, receipt, result })
        : [];
    return { type: 'ran', receipt, lease, result, error, steps };
  }

  /** A lost connection makes the lease lapse; a stranger's free run ends when nobody has waited for it for long. */
  #part({ state, raise }: Standing, lease: Lease): () => void {
    const { peers, clock } = this.#components;
    const { submitter, share } = state();
    const nodes = new Set([submitter, nodeIdOf(lease.coordinator)]);
    nodes.delete(this.#self);
    const ends = [
      parting({ peers, clock }, nodes, this.#init.graceMs, (from) => raise({ type: 'parted', from })),
    ];
    if (share === 'stranger' && lease.price === 0 && submitter !== this.#self)
      ends.push(
        parting({ peers, clock }, [submitter], STRANGER_PATIENCE_MS, () => raise({ type: 'abandoned' })),
      );
    return () => {
      for (const end of ends) end();
    };
  }

  #reserve(capsule: Capsule, { price }: Lease): void {
    const { ledger, signer } = this.#components;
    if (price > 0 && capsule.originIdentity !== signer.identity)
      ledger.reserve(capsule.id, capsule.originIdentity, toMicro(price));
  }

  #end(capsuleId: string, run: Run): void {
    if (this.#runs.get(capsuleId) === run) this.#runs.delete(capsuleId);
    if (this.#runs.size === 0) this.#onIdle();
  }
}
