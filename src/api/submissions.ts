import type { Capsule, NextStep } from '../../protocols/capsule/v1/schema.ts';
import { checkCapsule } from '../capsule/check-capsule.ts';
import { costAtMost } from '../capsule/cost.ts';
import { toMicro } from '../capsule/credits.ts';
import { validateCapsule } from '../capsule/validate-capsule.ts';
import { MeshError } from '../lib/errors.ts';
import type { ApiComponents, SubmitOptions } from './components.ts';
import { missing, OWNER_NAME, type Principal, seesOwnOnly } from './principal.ts';
import type { Quotas } from './quotas.ts';
import type { CapsuleView } from './schemas/capsules.ts';

type Components = Pick<ApiComponents, 'capsules' | 'store' | 'principals' | 'clock' | 'crypto' | 'network'>;
/** The fields that tell which principal a capsule belongs to. */
type Placed = { id: string; root: string; submitter: string; parentCapsule: string | null };

/** Which principal submitted which capsule: what each may submit, and whose results it may see. */
export class Submissions {
  readonly #components: Components;
  readonly #quotas: Quotas;

  constructor(components: Components, quotas: Quotas) {
    this.#components = components;
    this.#quotas = quotas;
  }

  /** Holds the places of what was under way when the node stopped. */
  async restore(): Promise<void> {
    for await (const { id, status } of this.#components.store.open()) {
      const name = this.#components.principals.ownerOf(id);
      if (name === undefined || status === 'completed' || status === 'failed') continue;
      try {
        this.#quotas.capsule({ name }, id);
        this.#releaseAtEnd(name, id);
      } catch {
        // More than is allowed now: the setting was lowered. They go on, uncounted.
      }
    }
  }

  /** Submits for the principal. Throws `permission_denied`, `rate_limited`, `busy` beside what the exchange does. */
  async submit(principal: Principal, capsule: unknown, options: SubmitOptions): Promise<{ id: string }> {
    const { capsules, principals, store, clock, crypto } = this.#components;
    if (principal.name === OWNER_NAME) return capsules.submit(capsule, options);
    const now = clock.now();
    // Before anything is stored under its id: the id is proven by the whole capsule, not by a claim.
    const checked = options.signedHere
      ? validateCapsule(capsule, { now })
      : checkCapsule(crypto, capsule, { now });
    if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
    const { id } = checked.capsule;
    // A capsule that is here already stays with the principal that submitted it first; this call gives its id and no more.
    const checkedOptions = { ...options, signedHere: true };
    if (store.row(id) !== undefined || principals.ownerOf(id) !== undefined)
      return capsules.submit(checked.capsule, checkedOptions);
    this.#checkCapabilities(principal, checked.capsule);
    this.#quotas.capsule(principal, id);
    const release = this.#releaseAtEnd(principal.name, id);
    try {
      const claim = principals.claim(principal.name, id, toMicro(costAtMost(checked.capsule).credits));
      try {
        const [submitted] = await Promise.all([
          capsules.submit(checked.capsule, checkedOptions),
          claim.durable,
        ]);
        return submitted;
      } catch (error) {
        if (store.row(id) === undefined) await claim.undo();
        throw error;
      }
    } catch (error) {
      if (store.row(id) === undefined) release();
      throw error;
    }
  }

  /** The name of who submitted the capsule or its chain here; null where another node did. */
  principalOf({ id, root, submitter, parentCapsule }: Placed): string | null {
    const { principals, network } = this.#components;
    const name = principals.ownerOf(id) ?? (parentCapsule === null ? undefined : principals.ownerOf(root));
    return name ?? (submitter === network.nodeId ? OWNER_NAME : null);
  }

  /** Whether the principal may see the capsule. */
  sees(principal: Principal, placed: Placed): boolean {
    return !seesOwnOnly(principal) || this.principalOf(placed) === principal.name;
  }

  /** Throws `permission_denied` where the capsule is another's; what is unknown is for the route to say. */
  check(principal: Principal, id: string): void {
    if (!seesOwnOnly(principal)) return;
    const row = this.#components.store.row(id);
    if (row !== undefined && !this.sees(principal, row)) throw missing('read', principal.scope);
  }

  /** Whether the principal may see what happens to the capsule. */
  seesEvent(principal: Principal, { capsuleId }: { capsuleId: string }): boolean {
    if (!seesOwnOnly(principal)) return true;
    const row = this.#components.store.row(capsuleId);
    return row !== undefined && this.sees(principal, row);
  }

  /** The same for the chain that it belongs to: a principal that submitted one step sees that step alone. */
  checkChain(principal: Principal, id: string): void {
    const row = this.#components.store.row(id);
    if (row !== undefined && !this.seesId(principal, row.root)) throw missing('read', principal.scope);
  }

  /** Whether the principal submitted the capsule of that id, or may see all. */
  seesId(principal: Principal, id: string): boolean {
    return !seesOwnOnly(principal) || this.#components.principals.ownerOf(id) === principal.name;
  }

  /** The capsule as it is shown: with the name of who submitted it. */
  shown({ record, ...view }: CapsuleView): CapsuleView {
    return { ...view, record: { ...record, principal: this.principalOf(record) } };
  }

  #checkCapabilities({ name, capabilities }: Principal, capsule: Capsule): void {
    if (capabilities === null) return;
    const denied = [...requested(capsule)].find((each) => !capabilities.includes(each));
    if (denied === undefined) return;
    const message = `The token "${name}" may not ask for ${denied}; it may for: ${capabilities.join(', ')}.`;
    throw new MeshError('permission_denied', message, { missing: 'capability', capability: denied });
  }

  #releaseAtEnd(name: string, id: string): () => void {
    const unfollow = this.#components.capsules.follow((event) => event.type === 'done' && release(), {
      capsuleId: id,
    });
    const release = (): void => {
      this.#quotas.release({ name }, id);
      unfollow();
    };
    return release;
  }
}

/** The capability of a capsule and of every step below it. */
function* requested({
  requestedCapability,
  next,
}: Pick<NextStep, 'requestedCapability' | 'next'>): Generator<string> {
  yield requestedCapability;
  for (const step of next ?? []) yield* requested(step);
}
