import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { checkCapsule, validateCapsule } from '../capsule/check-capsule.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { MeshError } from '../lib/errors.ts';
import type { ExchangeComponents } from './components.ts';
import type { Coordinator } from './coordinator.ts';
import type { EventLog } from './event-log.ts';
import { newRecord, rootOf } from './records.ts';
import type { SubmitOptions } from './types.ts';

type Components = Pick<ExchangeComponents, 'signer' | 'crypto' | 'clock' | 'db' | 'capsules' | 'faults'> & {
  coordinator: Coordinator;
  events: EventLog;
};

/** The first steps of the spine: validate, verify, store, schedule. */
export class Submission {
  readonly #components: Components;
  readonly #nodeId: string;

  constructor(components: Components) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  /** Resolves when the capsule and its first assignment are durable. The same capsule twice gives the same id. */
  async submit(value: unknown, options: SubmitOptions = {}): Promise<{ id: string }> {
    const { crypto, clock, db, capsules, coordinator, faults, events } = this.#components;
    const check = { now: clock.now() };
    const checked = options.signedHere ? validateCapsule(value, check) : checkCapsule(crypto, value, check);
    if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
    const { capsule } = checked;
    if (capsules.record(capsule.id) !== undefined) {
      await db.flushed();
      return { id: capsule.id };
    }
    this.#refuseWhatCannotBeCoordinated(capsule);
    faults.hit('submit.validated');
    const tx = db.transaction();
    const here = { coordinator: this.#nodeId, replyTo: this.#nodeId };
    const parent = capsule.parentCapsule === null ? undefined : capsules.record(capsule.parentCapsule, tx);
    const root = parent?.root ?? rootOf(capsule);
    capsules.add(tx, capsule, newRecord(capsule, { now: clock.now(), ...here, root, held: false }));
    const only = options.executor === undefined ? {} : { only: options.executor };
    const proceed = await coordinator.open(tx, capsule, only);
    faults.hit('submit.stored');
    events.emit({ type: 'status', capsuleId: capsule.id, status: 'pending', executor: null });
    proceed();
    return { id: capsule.id };
  }

  #refuseWhatCannotBeCoordinated(capsule: Capsule): void {
    const { coordinator, signer } = this.#components;
    if (capsule.privacyRule === 'encrypted') {
      throw new MeshError('encrypted_unsupported', 'Encrypted capsules are not supported by this version.');
    }
    if (capsule.delegation !== undefined) {
      throw new MeshError(
        'delegation_invalid',
        'A spawned capsule is continued by the node that spawned it, not submitted.',
      );
    }
    if (capsule.paymentRule !== null && capsule.originIdentity !== signer.identity) {
      const message =
        "A paid capsule is submitted at its origin's own node, since only that node can countersign the payment.";
      throw new MeshError('payment_required', message);
    }
    if (coordinator.full)
      throw new MeshError('busy', 'This node coordinates as many capsules as it can; try again shortly.');
  }
}
