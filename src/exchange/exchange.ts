import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { MeshError } from '../lib/errors.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Decision } from '../market/types.ts';
import { Acceptance } from './acceptance.ts';
import { Announcer } from './announcer.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import { Coordinator } from './coordinator.ts';
import { DecisionLog } from './decision-log.ts';
import { Elsewhere } from './elsewhere.ts';
import { EventLog } from './event-log.ts';
import { Executor } from './executor.ts';
import { Orders } from './orders.ts';
import { Outbox } from './outbox.ts';
import { Reconciler, type SharedEntry } from './reconciler.ts';
import { hasEnded } from './records.ts';
import { Settlements } from './settlements.ts';
import { Spawner } from './spawner.ts';
import { Submission } from './submission.ts';
import type { CapsuleService, CapsuleView, MeshEvent, SubmitOptions } from './types.ts';
import { notFound, Views } from './views.ts';

/** How long a stopping node lets its work finish; what is left is taken up at the next start. */
const DRAIN_MS = 5_000;

/**
 * The spine: submit, assign, execute, deliver, settle, spawn. This file joins its parts and hands each message to
 * the one it is for; read `submission`, `planner`,
 * `coordination`, `orders`, `executor`, `acceptance`, `settlements` in that order.
 */
export class Exchange implements CapsuleService, Startable {
  readonly #components: ExchangeComponents;
  readonly #nodeId: string;
  readonly #events: EventLog;
  readonly #outbox: Outbox;
  readonly #executor: Executor;
  readonly #orders: Orders;
  readonly #announcer: Announcer;
  readonly #coordinator: Coordinator;
  readonly #acceptance: Acceptance;
  readonly #settlements: Settlements;
  readonly #elsewhere: Elsewhere;
  readonly #submission: Submission;
  readonly #reconciler: Reconciler;
  readonly #decisions: DecisionLog;
  readonly #views: Views;
  #started = false;

  constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
    this.#events = new EventLog(components);
    this.#decisions = new DecisionLog(components);
    this.#views = new Views(components);
    this.#reconciler = new Reconciler(components);
    this.#announcer = new Announcer(components);
    // What ends hands on its next steps, and those end in the same way: the circle is closed by these two.
    const onSpawned = (ids: string[]): void => this.#coordinator.onSpawned(ids);
    const onGivenUp = (nodeId: string, id: string): Promise<void> => this.#settlements.onGivenUp(nodeId, id);
    this.#outbox = new Outbox(components, { onGivenUp });
    const spawner = new Spawner(components);
    const shared = { ...components, events: this.#events, outbox: this.#outbox, spawner, onSpawned };
    this.#settlements = new Settlements(shared);
    this.#executor = new Executor(shared, { ...init, onSpawned });
    const chosen = { executor: this.#executor, announcer: this.#announcer, decisions: this.#decisions };
    this.#coordinator = new Coordinator({ ...shared, ...chosen, nodeId: this.#nodeId }, init);
    const joined = { ...shared, executor: this.#executor, coordinator: this.#coordinator };
    this.#orders = new Orders(joined);
    this.#acceptance = new Acceptance(joined);
    this.#elsewhere = new Elsewhere({ ...joined, acceptance: this.#acceptance });
    this.#submission = new Submission(joined);
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
    this.#elsewhere.start();
    let resumed = 0;
    for await (const record of capsules.unfinished()) {
      if (record.coordinator === this.#nodeId && !record.held) this.#coordinator.resume(record);
      else if (record.coordinator !== this.#nodeId && record.executor === this.#nodeId) {
        this.#detach(this.#executor.recover(record), record.coordinator);
      } else continue;
      resumed += 1;
    }
    if (resumed > 0) log.info({ resumed }, 'Took up unfinished capsules');
    await this.#outbox.start();
  }

  /** Takes nothing more on, lets what runs here finish for a while, and leaves the rest to the next start. */
  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    const { network } = this.#components;
    network.off('peer:connect', this.#onConnect);
    network.off('peer:disconnect', this.#coordinator.onDisconnect);
    this.#announcer.stop();
    this.#elsewhere.stop();
    this.#coordinator.stop();
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
    if (this.#coordinator.cancel(record)) return;
    if (record.replyTo !== this.#nodeId) {
      throw new MeshError(
        'permission_denied',
        'Only the node where a capsule was submitted, or that spawned it, may cancel it.',
      );
    }
    await this.#elsewhere.cancel(record);
  }

  explain(id: string): Decision[] {
    return this.#decisions.of(id);
  }

  follow(listener: (event: MeshEvent) => void, options?: { since?: number; capsuleId?: string }): () => void {
    return this.#events.follow(listener, options);
  }

  /** The other node's entries between the two, for `credits reconcile`. */
  ledgerEntriesOf(nodeId: string): Promise<SharedEntry[]> {
    return this.#reconciler.entriesOf(nodeId);
  }

  readonly #onConnect = (nodeId: string): void => {
    this.#components.health.heardOf(nodeId);
    this.#coordinator.onConnect(nodeId);
    this.#outbox.onConnect(nodeId);
  };

  readonly #dispatch = (from: string, message: ExchangeMessage): void => {
    this.#components.health.heardOf(from);
    this.#detach(this.#handle(from, message), from);
  };

  /** Every message the stream carries, and who it is for. */
  async #handle(from: string, message: ExchangeMessage): Promise<void> {
    switch (message.type) {
      case 'capsule_data':
        return this.#orders.onOrder(from, message);
      case 'capsule_accept':
        this.#coordinator.onAccept(from, message.capsuleId);
        return this.#settlements.onAcknowledged(from, message.capsuleId);
      case 'capsule_decline':
        return this.#onDecline(from, message);
      case 'capsule_progress':
        return this.#onProgress(from, message);
      case 'capsule_result':
        return this.#acceptance.onResult(from, message);
      case 'capsule_settlement':
        return this.#settlements.onSettlement(from, message);
      case 'capsule_cancel':
        return this.#onCancel(from, message.capsuleId);
      case 'capsule_result_request':
        return this.#orders.onResultRequest(from, message);
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

  /** Of an order, a question, or a result: what was on the way to that node tells which. */
  async #onDecline(from: string, message: ExchangeMessageOf<'capsule_decline'>): Promise<void> {
    this.#coordinator.onDecline(from, message);
    const { capsuleId, code } = message;
    if (capsuleId === null) return;
    if (code === 'not_found') return this.#elsewhere.onUnknown(from, capsuleId);
    if (code === 'conflict' || code === 'invalid_receipt') {
      return this.#settlements.onRefused(from, capsuleId, { code, message: message.message });
    }
  }

  /** Reports of whoever holds the lease are passed on to followers, and nobody else's. */
  #onProgress(from: string, message: ExchangeMessageOf<'capsule_progress'>): void {
    const { capsuleId, delta, stage } = message;
    const known = this.#coordinator.onProgress(from, capsuleId) || this.#elsewhere.onProgress(from, message);
    if (!known || (delta === undefined && stage === undefined)) return;
    const update = { ...(delta !== undefined && { delta }), ...(stage !== undefined && { stage }) };
    this.#events.emit({ type: 'progress', capsuleId, ...update });
  }

  /** From the coordinator it stops a run here; from the submitter's node it ends what this node coordinates. */
  #onCancel(from: string, capsuleId: string): void {
    const record = this.#components.capsules.record(capsuleId);
    if (record === undefined || hasEnded(record)) return;
    if (from === record.coordinator) this.#executor.cancel(capsuleId);
    else if (from === record.replyTo) this.#coordinator.cancel(record);
  }

  /** Work that nobody waits for: its failure is logged, and what was stored is taken up at the next start. */
  #detach(work: Promise<void>, peer: string): void {
    work.catch((error: unknown) => {
      const stopping = error instanceof MeshError && error.code === 'interrupted';
      if (!stopping) this.#components.log.error({ peer, err: error }, 'Handling a message failed');
    });
  }
}
