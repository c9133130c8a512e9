import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import type { AcceptanceListener } from './acceptance.ts';
import type { ExchangeInit, Market } from './components.ts';
import { Coordination, type CoordinationComponents } from './coordination.ts';
import { patchLease, readLease } from './leases.ts';
import { hasEnded } from './records.ts';

/** All capsules whose leases this node grants, each with its coordination. */
export class Coordinator implements AcceptanceListener {
  readonly #components: CoordinationComponents & { market: Market };
  readonly #init: ExchangeInit;
  /** Bounded by `maxActive` for what is submitted; children of accepted work are never turned away. */
  readonly #active = new Map<string, Coordination>();

  constructor(components: CoordinationComponents & { market: Market }, init: ExchangeInit) {
    this.#components = components;
    this.#init = init;
  }

  get full(): boolean {
    return this.#active.size >= this.#init.maxActive;
  }

  /** Stages the first step of a capsule that `tx` stores; call the result once the batch is durable. */
  open(tx: Transaction, capsule: Capsule, options: { only?: string } = {}): () => void {
    if (options.only !== undefined) patchLease(tx, capsule.id, { only: options.only });
    const coordination = new Coordination(capsule, this.#components, this.#init);
    const first = coordination.plan(tx);
    return () => this.#run(coordination, first);
  }

  /** Continues what a crash or a settlement left to do. */
  async resume(record: CapsuleRecord): Promise<void> {
    const { capsules, db, executor, nodeId } = this.#components;
    const capsule = capsules.get(record.id);
    if (capsule === undefined || this.#active.has(record.id)) return;
    const coordination = new Coordination(capsule, this.#components, this.#init);
    const { assignment, failedAt } = readLease(db, record.id);
    const held =
      record.status === 'executing' && record.executor !== null && !failedAt.includes(record.executor);
    if (held && assignment !== null && record.executor === nodeId) {
      // The interrupted run goes first; what it leaves undone is planned anew.
      return this.#run(coordination, undefined, () => executor.recover(record));
    }
    if (held && assignment !== null && record.executor !== null) {
      return this.#run(coordination, coordination.resume(record.executor, assignment));
    }
    const tx = db.transaction();
    const first = coordination.plan(tx);
    await tx.commit();
    this.#run(coordination, first);
  }

  /** True when it is this node's to cancel. */
  cancel(capsuleId: string): boolean {
    const coordination = this.#active.get(capsuleId);
    coordination?.cancel();
    return coordination !== undefined;
  }

  readonly onSpawned = (capsuleIds: string[]): void => {
    const { capsules, log } = this.#components;
    for (const id of capsuleIds) {
      const record = capsules.record(id);
      if (
        record === undefined ||
        record.held ||
        hasEnded(record) ||
        record.coordinator !== this.#components.nodeId
      )
        continue;
      this.resume(record).catch((error: unknown) =>
        log.error({ capsuleId: id, error }, 'A next step could not be started'),
      );
    }
  };

  onAccepted(capsuleId: string, by: string): void {
    this.#active.get(capsuleId)?.onAccepted(by);
  }

  onFailure(capsuleId: string, by: string, error: ErrorBody): void {
    this.#active.get(capsuleId)?.onFailure(by, error);
  }

  onAccept(from: string, message: ExchangeMessageOf<'capsule_accept'>): void {
    this.#active.get(message.capsuleId)?.onAccept(from);
  }

  onDecline(from: string, message: ExchangeMessageOf<'capsule_decline'>): void {
    if (message.capsuleId !== null) this.#active.get(message.capsuleId)?.onDecline(from, message);
  }

  onProgress(from: string, message: ExchangeMessageOf<'capsule_progress'>): void {
    this.#active.get(message.capsuleId)?.onProgress(from);
  }

  /** A bid for something announced here makes its sender a provider for the next choice. */
  onBid(from: string, message: ExchangeMessageOf<'capsule_request'>): void {
    if (message.bid === undefined) return;
    for (const id of message.capsuleIds) {
      const coordination = this.#active.get(id);
      if (coordination === undefined) continue;
      this.#components.market.noteBid(from, coordination.capsule.requestedCapability, message.bid);
      coordination.onBid();
    }
  }

  readonly onDisconnect = (nodeId: string): void => {
    for (const coordination of this.#active.values()) coordination.onDisconnect(nodeId);
  };

  readonly onConnect = (nodeId: string): void => {
    for (const coordination of this.#active.values()) coordination.onReconnect(nodeId);
  };

  #run(
    coordination: Coordination,
    first: Parameters<Coordination['run']>[0] | undefined,
    before: () => Promise<void> = async () => {},
  ): void {
    const { id } = coordination.capsule;
    const { db, log } = this.#components;
    this.#active.set(id, coordination);
    const finish = async () => {
      await before();
      if (first !== undefined) return coordination.run(first);
      const tx = db.transaction();
      const plan = coordination.plan(tx);
      await tx.commit();
      return coordination.run(plan);
    };
    finish()
      .catch((error: unknown) => {
        // Stored as it stands, it is taken up again at the next start.
        const stopping = error instanceof MeshError && error.code === 'interrupted';
        if (!stopping) log.error({ capsuleId: id, error }, 'Coordination stopped');
      })
      .finally(() => this.#active.delete(id));
  }
}
