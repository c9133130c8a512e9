import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import type { Outcome } from '../engine/types.ts';
import type { StepOutcome, Transaction } from '../store/types.ts';
import { microAmount } from './admission.ts';
import type { ExchangeComponents } from './components.ts';
import { deleteLease, noteFailure } from './leases.ts';
import type { Outbox } from './outbox.ts';
import { hasEnded } from './records.ts';
import { childrenOf, type Spawner } from './spawner.ts';

/** What an outcome did to its capsule. */
export interface Concluded {
  /** How the capsule ended here; null where a failure is its coordinator's to act on, or it had ended before. */
  ended: { status: 'completed' | 'failed'; error: ErrorBody | null } | null;
  /** Next steps that are stored now, and those of them that need not wait for a settlement. */
  children: string[];
  free: string[];
}

const NOTHING: Concluded = { ended: null, children: [], free: [] };

type Components = Pick<ExchangeComponents, 'capsules' | 'ledger' | 'signer'> & {
  outbox: Outbox;
  spawner: Spawner;
};

/** Puts everything that belongs together with a receipt into its batch: status, result, payment, children, outbox. */
export class Conclusion {
  readonly #components: Components;
  readonly #nodeId: string;

  constructor(components: Components) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  stage(tx: Transaction, capsule: Capsule, assignment: Assignment, outcome: Outcome): Concluded {
    const record = this.#components.capsules.record(capsule.id, tx);
    // Another execution was accepted, or the capsule was given up, while this one went on.
    if (record === undefined || hasEnded(record)) return NOTHING;
    return outcome.status === 'completed'
      ? this.#complete(tx, capsule, assignment, outcome, record.root)
      : this.#fail(tx, capsule, assignment, outcome);
  }

  #complete(
    tx: Transaction,
    capsule: Capsule,
    assignment: Assignment,
    { result, receipt }: Extract<Outcome, { status: 'completed' }>,
    root: string,
  ): Concluded {
    const { capsules, ledger, signer, outbox } = this.#components;
    const { replyTo } = assignment;
    const microCredits = microAmount(capsule);
    if (microCredits > 0 && capsule.originIdentity !== signer.identity) {
      const payment = { debit: capsule.originIdentity, credit: signer.identity, microAmount: microCredits };
      const { receiptHash } = receipt;
      ledger.book(tx, { reference: `capsule:${capsule.id}`, ...payment, receiptHash });
    }
    // Where the workflow was submitted here, this is the accepted execution; elsewhere its settlement will tell.
    const accepted = replyTo === this.#nodeId;
    const steps = this.#spawn(tx, { capsule, receipt, result, replyTo, root }, accepted);
    const { receiptHash } = receipt;
    capsules.setStatus(tx, capsule.id, 'completed', { error: null, receiptHash });
    capsules.putResult(tx, capsule.id, { result, receipt, assignment, settlement: null, steps });
    deleteLease(tx, capsule.id);
    outbox.put(tx, capsule.id, this.#others([nodeIdOf(assignment.coordinator), replyTo]));
    const children = childrenOf(steps);
    return { ended: { status: 'completed', error: null }, children, free: accepted ? children : [] };
  }

  #spawn(
    tx: Transaction,
    finished: Parameters<Spawner['spawnAsOrigin']>[1],
    accepted: boolean,
  ): StepOutcome[] {
    const { spawner } = this.#components;
    const steps = spawner.spawnAsExecutor(tx, finished, { held: !accepted });
    return accepted && steps.length === 0 ? spawner.spawnAsOrigin(tx, finished) : steps;
  }

  /** A failure is the coordinator's to act on; a record that also waits for the accepted result stays open. */
  #fail(
    tx: Transaction,
    capsule: Capsule,
    assignment: Assignment,
    { error, receipt }: Extract<Outcome, { status: 'failed' }>,
  ): Concluded {
    const { capsules, outbox } = this.#components;
    const coordinator = nodeIdOf(assignment.coordinator);
    outbox.put(tx, capsule.id, this.#others([coordinator]));
    if (coordinator === this.#nodeId || assignment.replyTo === this.#nodeId) {
      const proof = { receipt, assignment };
      noteFailure(tx, { capsuleId: capsule.id, nodeId: this.#nodeId, error, proof });
      capsules.update(tx, capsule.id, { note: `failed here: ${error.code}` });
      return NOTHING;
    }
    capsules.setStatus(tx, capsule.id, 'failed', { error, receiptHash: receipt.receiptHash });
    const result = { result: null, receipt, assignment, settlement: null, steps: [] };
    capsules.putResult(tx, capsule.id, result);
    deleteLease(tx, capsule.id);
    return { ...NOTHING, ended: { status: 'failed', error } };
  }

  #others(nodes: string[]): string[] {
    return [...new Set(nodes)].filter((nodeId) => nodeId !== this.#nodeId);
  }
}
