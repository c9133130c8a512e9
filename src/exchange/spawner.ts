import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { SpawnedCapsule } from '../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { continuesAtOrigin, deriveFields, type SpawnSource } from '../capsule/derive.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { restoreChild, spawnAtOrigin, spawnChild } from '../capsule/spawn.ts';
import { MeshError, toErrorBody } from '../lib/errors.ts';
import type { StepOutcome, Transaction } from '../store/types.ts';
import type { ExchangeComponents } from './components.ts';
import { newRecord } from './records.ts';

type Components = Pick<ExchangeComponents, 'signer' | 'crypto' | 'capsules' | 'clock' | 'log'>;

/** A parent that ended well, and what its steps are made from. */
export interface Finished {
  capsule: Capsule;
  receipt: Receipt;
  result: unknown;
  /** Node where the workflow was submitted, and its root capsule. */
  replyTo: string;
  root: string;
}

/** Turns a finished capsule's `next` steps into stored children (protocol "Spawned capsules"). */
export class Spawner {
  readonly #components: Components;
  readonly #nodeId: string;

  constructor(components: Components) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  /**
   * As the node that executed the parent. `held` children wait for the parent's settlement, so that of two
   * executions only the accepted one is continued. Steps that the origin continues itself are left to it.
   */
  spawnAsExecutor(tx: Transaction, finished: Finished, options: { held: boolean }): StepOutcome[] {
    const { signer, crypto } = this.#components;
    if (continuesAtOrigin(finished.capsule)) return [];
    return this.#eachStep(finished, (step) => {
      const { capsule } = spawnChild(crypto, { ...sourceOf(finished), step }, signer);
      this.#store(tx, capsule, finished, { coordinator: this.#nodeId, held: options.held });
      return capsule.id;
    });
  }

  /** As the origin's node, for steps that carry nothing but the derived payload. */
  spawnAsOrigin(tx: Transaction, finished: Finished): StepOutcome[] {
    const { signer, crypto } = this.#components;
    return this.#eachStep(finished, (step) => {
      const { capsule } = spawnAtOrigin(crypto, { ...sourceOf(finished), step }, signer);
      this.#store(tx, capsule, finished, { coordinator: this.#nodeId, held: false });
      return capsule.id;
    });
  }

  /** As the node of the submitter: derives the children that an executor says it spawned, and checks them. */
  adopt(tx: Transaction, finished: Finished, spawned: readonly SpawnedCapsule[]): StepOutcome[] {
    const { crypto } = this.#components;
    const byStep = new Map(spawned.map((entry) => [entry.step, entry]));
    return this.#eachStep(finished, (step) => {
      const claimed = byStep.get(step);
      if (claimed === undefined) {
        // Throws the step's own error where it cannot be made; else the executor left it out.
        deriveFields({ ...sourceOf(finished), step });
        throw new MeshError('delegation_invalid', 'The executor did not continue this step.');
      }
      const restored = restoreChild(crypto, sourceOf(finished), claimed);
      if (!restored.ok) throw new MeshError(restored.error.code, restored.error.message);
      this.#store(tx, restored.capsule, finished, {
        coordinator: nodeIdOf(finished.receipt.identity),
        held: true,
      });
      return restored.capsule.id;
    });
  }

  #eachStep(finished: Finished, spawn: (step: number) => string): StepOutcome[] {
    return (finished.capsule.next ?? []).map((_, step) => {
      try {
        return { child: spawn(step), error: null };
      } catch (thrown) {
        const error: ErrorBody = toErrorBody(thrown);
        this.#components.log.warn(
          { capsuleId: finished.capsule.id, step, error },
          'A next step could not be made',
        );
        return { child: null, error };
      }
    });
  }

  #store(
    tx: Transaction,
    child: Capsule,
    finished: Finished,
    role: { coordinator: string; held: boolean },
  ): void {
    const { capsules, clock } = this.#components;
    capsules.add(
      tx,
      child,
      newRecord(child, { now: clock.now(), root: finished.root, replyTo: finished.replyTo, ...role }),
    );
  }
}

/** Ids of the steps that became capsules, in step order. */
export function childrenOf(steps: readonly StepOutcome[]): string[] {
  return steps.flatMap(({ child }) => child ?? []);
}

function sourceOf({ capsule, receipt, result }: Finished): Omit<SpawnSource, 'step'> {
  return { parent: capsule, receipt, result };
}
