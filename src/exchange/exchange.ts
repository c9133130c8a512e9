import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { MeshError } from '../lib/errors.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Decision } from '../market/types.ts';
import { Acceptance } from './acceptance.ts';
import { Announcer } from './announcer.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import { Coordinator } from './coordinator.ts';
import { DecisionLog } from './decision-log.ts';
import { EventLog } from './event-log.ts';
import { Executor } from './executor.ts';
import { Outbox } from './outbox.ts';
import { Reconciler, type SharedEntry } from './reconciler.ts';
import { hasEnded } from './records.ts';
import { Spawner } from './spawner.ts';
import { Submission } from './submission.ts';
import type { CapsuleService, CapsuleView, MeshEvent, SubmitOptions, Workflow } from './types.ts';
import { notFound, Views } from './views.ts';

/** How long a stopping node lets its work finish; what is left is taken up at the next start. */
const DRAIN_MS = 5_000;

/**
 * The spine: submit, assign, execute, deliver, settle, spawn. This file joins its parts and hands each message to
 * the one it is for; read `submission`, `coordination`, `executor`, `acceptance` in that order.
 */
export class Exchange implements CapsuleService, Startable {
  readonly #components: ExchangeComponents;
  readonly #nodeId: string;
  readonly #events: EventLog;
  readonly #outbox: Outbox;
  readonly #executor: Executor;
  readonly #announcer: Announcer;
  readonly #coordinator: Coordinator;
  readonly #acceptance: Acceptance;
  readonly #submission: Submission;
  readonly #reconciler: Reconciler;
  readonly #decisions: DecisionLog;
  readonly #views: Views;
  #started = false;

  constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
    this.#events = new EventLog(components);
    this.#outbox = new Outbox(components);
    this.#decisions = new DecisionLog(components);
    this.#views = new Views(components);
    this.#reconciler = new Reconciler(components);
    this.#announcer = new Announcer(components);
    const spawner = new Spawner(components);
    const shared = { ...components, events: this.#events, outbox: this.#outbox, spawner };
    // The coordinator runs local work through the executor, which hands it the children in turn.
    this.#executor = new Executor(shared, { ...init, onSpawned: (ids) => this.#coordinator.onSpawned(ids) });
    this.#coordinator = new Coordinator(
      {
        ...shared,
        executor: this.#executor,
        announcer: this.#announcer,
        decisions: this.#decisions,
        nodeId: this.#nodeId,
      },
      init,
    );
    this.#acceptance = new Acceptance({ ...shared, listener: this.#coordinator });
    this.#submission = new Submission({ ...shared, coordinator: this.#coordinator });
    components.network.onMessage(this.#dispatch);
  }

  /** Takes up what an earlier life of this node left unfinished. */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    const { network, capsules, log } = this.#components;
    network.on('peer:connect', this.#onConnect);
    network.on('peer:disconnect', this.#coordinator.onDisconnect);
    this.#announcer.start();
    let resumed = 0;
    for await (const record of capsules.unfinished()) {
      if (record.coordinator === this.#nodeId && !record.held) await this.#coordinator.resume(record);
      else if (record.executor === this.#nodeId) this.#resumeOrder(record.id);
      else continue;
      resumed += 1;
    }
    if (resumed > 0) log.info({ resumed }, 'Took up unfinished capsules');
    await this.#outbox.redeliver();
  }

  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    const { network } = this.#components;
    network.off('peer:connect', this.#onConnect);
    network.off('peer:disconnect', this.#coordinator.onDisconnect);
    this.#announcer.stop();
    await this.#executor.stop(DRAIN_MS);
    this.#outbox.stop();
  }

  submit(capsule: unknown, options?: SubmitOptions): Promise<{ id: string }> {
    return this.#submission.submit(capsule, options);
  }

  async view(id: string): Promise<CapsuleView | undefined> {
    return this.#views.capsule(id);
  }

  async cancel(id: string): Promise<void> {
    const record = this.#components.capsules.record(id);
    if (record === undefined) throw notFound(id);
    if (hasEnded(record)) throw new MeshError('conflict', `The capsule has ended as ${record.status}.`);
    if (this.#coordinator.cancel(id)) return;
    if (record.replyTo !== this.#nodeId) {
      throw new MeshError(
        'permission_denied',
        'Only the node where a capsule was submitted, or that spawned it, may cancel it.',
      );
    }
    const epoch = Math.max(1, record.epoch);
    await this.#components.network.send(record.coordinator, {
      type: 'capsule_cancel',
      exchangeId: id.slice(0, 16),
      capsuleId: id,
      epoch,
    });
  }

  explain(id: string): Decision[] {
    return this.#decisions.of(id);
  }

  async workflow(id: string): Promise<Workflow | undefined> {
    return this.#views.workflow(id);
  }

  workflows(options: {
    limit?: number;
    cursor?: string;
  }): Promise<{ items: Workflow[]; cursor: string | null }> {
    return this.#views.workflows(options);
  }

  follow(listener: (event: MeshEvent) => void, options?: { since?: number; capsuleId?: string }): () => void {
    return this.#events.follow(listener, options);
  }

  /** The other node's entries between the two, for `credits reconcile`. */
  ledgerEntriesOf(nodeId: string): Promise<SharedEntry[]> {
    return this.#reconciler.entriesOf(nodeId);
  }

  readonly #onConnect = (nodeId: string): void => {
    this.#coordinator.onConnect(nodeId);
    this.#detach(this.#outbox.redeliver(nodeId), nodeId);
  };

  readonly #dispatch = (from: string, message: ExchangeMessage): void => {
    this.#detach(this.#handle(from, message), from);
  };

  /** Every message the stream carries, and who it is for. */
  async #handle(from: string, message: ExchangeMessage): Promise<void> {
    switch (message.type) {
      case 'capsule_data':
        return this.#executor.onOrder(from, message);
      case 'capsule_accept':
        this.#coordinator.onAccept(from, message);
        return this.#acceptance.onAcknowledged(from, message.capsuleId);
      case 'capsule_decline':
        this.#coordinator.onDecline(from, message);
        if (message.capsuleId !== null && message.code === 'conflict') {
          return this.#acceptance.onDuplicate(from, message.capsuleId);
        }
        return;
      case 'capsule_progress':
        return this.#onProgress(from, message);
      case 'capsule_result':
        return this.#acceptance.onResult(from, message);
      case 'capsule_settlement':
        return this.#acceptance.onSettlement(from, message);
      case 'capsule_cancel':
        return this.#onCancel(from, message.capsuleId);
      case 'capsule_result_request':
        return this.#executor.onResultRequest(from, message);
      case 'capsule_request':
        return this.#coordinator.onBid(from, message);
      case 'capability_query':
        return this.#components.market.handleQuery(from, message);
      case 'capability_advertisement':
        return this.#components.market.handleAdvertisement(from, message);
      case 'ledger_query':
        return this.#reconciler.onQuery(from, message);
      case 'ledger_entries':
        return this.#reconciler.onEntries(from, message);
    }
  }

  #onProgress(from: string, message: Extract<ExchangeMessage, { type: 'capsule_progress' }>): void {
    this.#coordinator.onProgress(from, message);
    const record = this.#components.capsules.record(message.capsuleId);
    const { delta, stage } = message;
    if (record === undefined || hasEnded(record) || (delta === undefined && stage === undefined)) return;
    if (record.executor !== null && record.executor !== from) return;
    this.#events.emit({
      type: 'progress',
      capsuleId: record.id,
      ...(delta !== undefined && { delta }),
      ...(stage !== undefined && { stage }),
    });
  }

  /** From the coordinator it stops a run here; from the submitter's node it ends what this node coordinates. */
  #onCancel(from: string, capsuleId: string): void {
    const record = this.#components.capsules.record(capsuleId);
    if (record === undefined || hasEnded(record)) return;
    if (from === record.replyTo && this.#coordinator.cancel(capsuleId)) return;
    if (from === record.coordinator) this.#executor.cancel(capsuleId);
  }

  #resumeOrder(id: string): void {
    const record = this.#components.capsules.record(id);
    if (record !== undefined) this.#detach(this.#executor.recover(record), record.coordinator);
  }

  /** Work that nobody waits for: its failure is logged, and what was stored is taken up at the next start. */
  #detach(work: Promise<void>, peer: string): void {
    work.catch((error: unknown) => {
      const stopping = error instanceof MeshError && error.code === 'interrupted';
      if (!stopping) this.#components.log.error({ peer, error }, 'Handling a message failed');
    });
  }
}
