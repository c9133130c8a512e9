import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import { verifyAssignment } from '../../capsule/assignment.ts';
import { checkCapsule } from '../../capsule/check-capsule.ts';
import { checkLease } from '../../capsule/check-lease.ts';
import { identityOf, nodeIdOf } from '../../capsule/identity.ts';
import { needsSignedLease, submitterOf } from '../../capsule/roles.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ExchangeComponents } from '../components.ts';
import { takenChild } from '../effects/proofs.ts';
import type { Replies } from '../effects/replies.ts';
import type { Runs } from '../effects/run.ts';
import type { Tickets } from '../effects/tickets.ts';
import { begins } from '../machine/executor.ts';
import type { State } from '../machine/state.ts';
import { continueAtSubmitter } from '../machine/verdicts.ts';
import type { Runtime } from '../runtime.ts';
import type { Admission } from './admission.ts';
import type { Cancels } from './cancels.ts';

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'clock' | 'db' | 'faults' | 'standing' | 'ledger' | 'engine'
> & {
  runtime: Runtime;
  admission: Admission;
  replies: Replies;
  tickets: Tickets;
  cancels: Cancels;
  runs: Pick<Runs, 'draining'>;
};

/** What is stored in the origin's name. */
const STORED_IN_THE_ORIGINS_NAME = 'data.';

/** Orders of other nodes: verified, held against the lease, admitted. Nothing is kept of what is refused. */
export class Orders {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  async onOrder(from: string, message: ExchangeMessageOf<'capsule_data'>): Promise<void> {
    const { faults, runtime, replies, tickets, ledger } = this.#components;
    faults.hit('order.received');
    const { assignment } = message;
    const { id } = message.capsule;
    const decline = (error: ErrorBody): void => {
      const epoch = assignment?.epoch ?? 0;
      replies.decline(from, { capsuleId: id, of: 'capsule_data', epoch }, error);
    };
    if (assignment === undefined) return decline(leaseInvalid('An order needs an assignment.'));
    const known = runtime.state(id);
    const stranger = known !== undefined && from !== known.coordinator && from !== known.submitter;
    if (stranger) return decline({ code: 'conflict', message: 'Another node coordinates this capsule.' });
    // The same order again is a question, and costs no second look at signatures.
    if (known !== undefined && !this.#wouldRun(known, assignment)) return this.#take(from, message, known);
    if (this.#components.runs.draining) return decline({ code: 'busy', message: 'This node is stopping.' });
    const checked = this.#check(from, message, assignment);
    if (!('capsule' in checked)) return decline(checked);
    const { capsule } = checked;
    if (this.#components.cancels.remembers(from, id, assignment.epoch))
      return decline({ code: 'cancelled', message: 'The capsule was cancelled.' });
    const refusal = this.#components.admission.take(from, capsule, assignment.price);
    if (refusal !== null) return decline(refusal);
    try {
      await this.#take(from, message, known);
    } catch (error) {
      tickets.release(id);
      ledger.release(id);
      if (!(error instanceof MeshError) || error.code !== 'busy') throw error;
      decline({ code: 'busy', message: error.message });
    }
  }

  #take(
    from: string,
    { capsule, assignment, proofs = [] }: ExchangeMessageOf<'capsule_data'>,
    known: State | undefined,
  ): Promise<void> {
    const { runtime, standing } = this.#components;
    if (assignment === undefined) return Promise.resolve();
    const first = proofs[0]?.parent ?? capsule;
    return runtime.take(capsule.id, {
      type: 'ordered',
      from,
      capsule,
      lease: assignment,
      proofs,
      root: known?.root ?? first.parentCapsule ?? first.id,
      submitter: nodeIdOf(submitterOf(capsule)),
      share: standing(capsule.originIdentity),
      mayRepeat: this.#mayRepeat(capsule),
    });
  }

  #wouldRun({ life: { care, work } }: State, lease: Assignment): boolean {
    return (care === null || care.phase.kind === 'elsewhere') && begins(work, lease);
  }

  #mayRepeat(capsule: Capsule): boolean {
    const offer = this.#components.admission.offer(capsule);
    return offer?.idempotent === true && capsule.executionPolicy?.atMostOnce !== true;
  }

  #check(
    from: string,
    { capsule: told, proofs }: ExchangeMessageOf<'capsule_data'>,
    assignment: Assignment,
  ): { capsule: Capsule } | ErrorBody {
    const { crypto, clock, signer, db } = this.#components;
    const now = clock.now();
    const coordinator = identityOf(from);
    const lease = checkLease(assignment, { capsule: told, executor: signer.identity, coordinator, now });
    if (lease !== null) return lease;
    const checked = checkCapsule(crypto, told, { now, schemaChecked: true, ...(proofs && { proofs }) });
    if (!checked.ok) return checked.error;
    const { capsule } = checked;
    const submitter = submitterOf(capsule);
    if (coordinator !== submitter && coordinator !== capsule.signer)
      return leaseInvalid('Only the node that its origin named, or that continues the chain, may assign it.');
    const signatureRequired = needsSignedLease(capsule);
    const signed = verifyAssignment(crypto, assignment, { schemaChecked: true, signatureRequired });
    if (!signed.ok) return signed.error;
    if (capsule.signer === undefined || capsule.signer === submitter) return { capsule };
    if (capsule.requestedCapability.startsWith(STORED_IN_THE_ORIGINS_NAME)) {
      const message = "What is stored in the origin's name is reached from its submitter only.";
      return { code: 'continue_at_submitter', message };
    }
    // Of two executions of the parent each has a child of its own.
    if (coordinator !== submitter && !this.#mayRepeat(capsule)) return continueAtSubmitter();
    const root = proofs?.[0]?.parent.id ?? capsule.id;
    const taken = takenChild(db, root, capsule);
    return taken === undefined || taken === capsule.id
      ? { capsule }
      : { code: 'conflict', message: 'Another child of the same step was taken here.' };
  }
}

function leaseInvalid(message: string): ErrorBody {
  return { code: 'lease_invalid', message };
}
