import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { checkCapsule } from '../../capsule/check-capsule.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { expiryOf, submitterOf } from '../../capsule/roles.ts';
import { validateCapsule } from '../../capsule/validate-capsule.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Census } from '../census.ts';
import type { ExchangeComponents } from '../components.ts';
import { hasEnded } from '../machine/state.ts';
import type { Runtime } from '../runtime.ts';
import type { SubmitOptions } from '../types.ts';

type Components = Pick<ExchangeComponents, 'signer' | 'crypto' | 'clock' | 'db' | 'capsules' | 'faults'> & {
  runtime: Runtime;
  census: Census;
};

/** Calls of this node's own surfaces: a new capsule, and its end. */
export class Calls {
  readonly #components: Components;
  readonly #self: string;

  constructor(components: Components) {
    this.#components = components;
    this.#self = nodeIdOf(components.signer.identity);
  }

  /** Resolves when the capsule and its first lease are durable. The same capsule twice gives the same id. */
  async submit(value: unknown, options: SubmitOptions = {}): Promise<{ id: string }> {
    const { crypto, clock, db, faults, runtime } = this.#components;
    const check = { now: clock.now() };
    const checked = options.signedHere ? validateCapsule(value, check) : checkCapsule(crypto, value, check);
    if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
    const { capsule } = checked;
    const { id } = capsule;
    if (runtime.state(id) !== undefined) {
      await db.flushed();
      return { id };
    }
    this.#refuseWhatCannotBeCoordinated(capsule);
    faults.hit('submit.validated');
    const root = this.#rootOf(capsule);
    await runtime.take(id, { type: 'submitted', capsule, root, only: options.executor ?? null });
    faults.hit('submit.stored');
    return { id };
  }

  /** Durable when it resolves. A capsule that has ended is cancelled in its descendants. Throws `not_found`, `conflict`. */
  async cancel(id: string): Promise<void> {
    const { runtime } = this.#components;
    const state = runtime.state(id);
    if (state === undefined) throw new MeshError('not_found', `This node knows no capsule ${id}.`);
    const open = [...this.#unfinished(id)];
    if (open.length === 0) throw new MeshError('conflict', `The capsule has ended as ${state.status}.`);
    if (!open.some((each) => runtime.state(each)?.life.care)) {
      const message = 'Only the node where a capsule was submitted, or that coordinates it, may cancel it.';
      throw new MeshError('permission_denied', message);
    }
    await Promise.all(open.map((each) => runtime.take(each, { type: 'cancel' })));
  }

  /** The capsule and what came of it, as far as it has not ended. */
  *#unfinished(id: string): Generator<string> {
    const state = this.#components.runtime.state(id);
    if (state === undefined) return;
    if (!hasEnded(state)) yield id;
    for (const { child } of state.steps) if (child !== null) yield* this.#unfinished(child);
  }

  /** The root as far as this node knows it. */
  #rootOf({ id, parentCapsule }: Capsule): string {
    if (parentCapsule === null) return id;
    return this.#components.runtime.state(parentCapsule)?.root ?? parentCapsule;
  }

  #refuseWhatCannotBeCoordinated(capsule: Capsule): void {
    const { census, capsules, signer } = this.#components;
    if (capsule.privacyRule === 'encrypted')
      throw new MeshError('encrypted_unsupported', 'Encrypted capsules are not supported by this version.');
    if (capsule.signer !== undefined) {
      const message = 'A spawned capsule is continued by the node that spawned it, not submitted.';
      throw new MeshError('lineage_invalid', message);
    }
    if (submitterOf(capsule) !== signer.identity) {
      const message =
        'A capsule is submitted at the node that its origin named: "executionPolicy.submitter", or the origin itself.';
      throw new MeshError('permission_denied', message, { submitter: submitterOf(capsule) });
    }
    if (expiryOf(capsule) <= capsules.ageNow()) throw new MeshError('expired', 'The capsule has expired.');
    if (capsules.ended.has(capsule.id))
      throw new MeshError('conflict', 'This capsule was submitted before, has ended, and was pruned.');
    const refusal = census.refusal({ origin: capsule.originIdentity, peer: this.#self, share: 'own' });
    if (refusal !== null) throw new MeshError(refusal.code, refusal.message);
  }
}
