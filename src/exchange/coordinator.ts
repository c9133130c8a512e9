import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import type { CapsuleRecord, Transaction } from '../store/types.ts';
import type { ExchangeInit, Market } from './components.ts';
import { Coordination, type CoordinationComponents } from './coordination.ts';
import { patchLease } from './leases.ts';
import { Planner, type PlannerComponents } from './planner.ts';
import { hasEnded } from './records.ts';

type Components = Omit<CoordinationComponents, 'planner'> & PlannerComponents & { market: Market };

/** All capsules whose leases this node grants, each with its coordination. */
export class Coordinator {
  readonly #components: Components & CoordinationComponents;
  readonly #init: ExchangeInit;
  /** Bounded by `maxActive` for what is submitted and for what brings next steps of its own. */
  readonly #active = new Map<string, Coordination>();
  #stopped = false;

  constructor(components: Components, init: ExchangeInit) {
    this.#components = { ...components, planner: new Planner(components, init) };
    this.#init = init;
  }

  /** Nothing more is taken on; what is accepted already goes on, children included. */
  get full(): boolean {
    return this.#stopped || this.#active.size >= this.#init.maxActive;
  }

  /**
   * Commits `tx`, which stores the capsule, together with its first step. Call the result to go on. `only` names the
   * one node that may execute.
   */
  async open(tx: Transaction, capsule: Capsule, { only }: { only?: string } = {}): Promise<() => void> {
    if (only !== undefined) patchLease(tx, capsule.id, { only });
    const coordination = this.#begin(capsule);
    try {
      const first = coordination.plan(tx);
      await tx.commit();
      return () => this.#run(coordination, coordination.run(first));
    } catch (error) {
      this.#active.delete(capsule.id);
      throw error;
    }
  }

  /** Continues what a crash or a settlement left to do. */
  resume({ id }: CapsuleRecord): void {
    const capsule = this.#components.capsules.get(id);
    if (capsule === undefined || this.#stopped || this.#active.has(id)) return;
    const coordination = this.#begin(capsule);
    this.#run(coordination, coordination.run());
  }

  /** False where it is not this node's to cancel. A child that still waits for its parent's settlement ends too. */
  cancel({ id, coordinator }: CapsuleRecord): boolean {
    if (coordinator !== this.#components.nodeId || this.#stopped) return false;
    const active = this.#active.get(id);
    const capsule = this.#components.capsules.get(id);
    if (active !== undefined) {
      active.cancel();
    } else if (capsule !== undefined) {
      const coordination = this.#begin(capsule);
      coordination.cancel();
      this.#run(coordination, coordination.run());
    }
    return true;
  }

  /** Ends nothing: what is stored is taken up at the next start. */
  stop(): void {
    this.#stopped = true;
    for (const coordination of this.#active.values()) coordination.stop();
  }

  /** Children that may go on; those that wait, or that another node coordinates, are passed over. */
  readonly onSpawned = (capsuleIds: string[]): void => {
    const { capsules, nodeId } = this.#components;
    for (const id of capsuleIds) {
      const record = capsules.record(id);
      if (record?.coordinator === nodeId && !record.held && !hasEnded(record)) this.resume(record);
    }
  };

  onAccepted(capsuleId: string, by: string): void {
    this.#active.get(capsuleId)?.onAccepted(by);
  }

  onFailure(capsuleId: string, by: string, error: ErrorBody): void {
    this.#active.get(capsuleId)?.onFailure(by, error);
  }

  onAccept(from: string, capsuleId: string): void {
    this.#active.get(capsuleId)?.onAccept(from);
  }

  onDecline(from: string, message: ExchangeMessageOf<'capsule_decline'>): void {
    if (message.capsuleId !== null) this.#active.get(message.capsuleId)?.onDecline(from, message);
  }

  /** Whether it came from the node that holds the capsule's lease. */
  onProgress(from: string, capsuleId: string): boolean {
    return this.#active.get(capsuleId)?.onProgress(from) === true;
  }

  /** A bid for something announced here makes its sender a provider for the next choice. */
  onBid(from: string, { capsuleIds, bid }: ExchangeMessageOf<'capsule_request'>): void {
    if (bid === undefined) return;
    for (const id of capsuleIds) {
      const coordination = this.#active.get(id);
      if (coordination?.onBid() !== true) continue;
      this.#components.market.noteBid(from, coordination.capsule.requestedCapability, bid);
    }
  }

  readonly onDisconnect = (nodeId: string): void => {
    for (const coordination of this.#active.values()) coordination.onDisconnect(nodeId);
  };

  readonly onConnect = (nodeId: string): void => {
    for (const coordination of this.#active.values()) coordination.onReconnect(nodeId);
  };

  /** In the map from the first moment, so that a cancellation or a second call finds it. */
  #begin(capsule: Capsule): Coordination {
    const coordination = new Coordination(capsule, this.#components, this.#init);
    this.#active.set(capsule.id, coordination);
    return coordination;
  }

  #run(coordination: Coordination, ended: Promise<void>): void {
    const { id } = coordination.capsule;
    ended
      .catch((error: unknown) => {
        // As it is stored, it is taken up again at the next start.
        const stopping = error instanceof MeshError && error.code === 'interrupted';
        if (!stopping) this.#components.log.error({ capsuleId: id, err: error }, 'Coordination stopped');
      })
      .finally(() => this.#active.delete(id));
  }
}
