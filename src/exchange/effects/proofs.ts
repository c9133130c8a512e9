import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import { placeInChain } from '../../capsule/roles.ts';
import { keyspace } from '../../store/keyspaces.ts';
import type { Reader, Transaction } from '../../store/types.ts';
import type { Capsules } from '../components.ts';

/** The one child that this node took of a parent's step, and what proves it. */
interface Taken {
  child: string;
  proofs: Proof[];
}

/** By root, parent and step: a node takes one child of each. */
const taken = keyspace<Taken>('childProofs');

/** The capsule that was taken for this capsule's place in its chain; undefined where there was none. */
export function takenChild(reader: Reader, root: string, capsule: Capsule): string | undefined {
  return reader.get(taken, placeInChain(root, capsule))?.child;
}

export function putProofs(tx: Transaction, root: string, capsule: Capsule, proofs: Proof[]): void {
  tx.put(taken, placeInChain(root, capsule), { child: capsule.id, proofs });
}

/**
 * What an order of this capsule has to show: nothing where its origin signed it, else everything from the origin's own
 * capsule on. The parent was executed or submitted here.
 */
export function proofsOf(
  { db, capsules }: { db: Reader; capsules: Capsules },
  root: string,
  capsule: Capsule,
): Proof[] {
  const { signer, parentCapsule } = capsule;
  if (signer === undefined || parentCapsule === null) return [];
  const parent = capsules.get(parentCapsule);
  const stored = capsules.result(parentCapsule);
  if (parent === undefined || !stored?.receipt || !stored.assignment) return [];
  const before = parent.signer === undefined ? [] : earlier({ db, capsules }, root, parent);
  const { receipt, assignment: lease, result } = stored;
  return [...before, { parent, lease, receipt, result }];
}

/** Those that came with the parent's own order, or, where it was made here, its own. */
function earlier(parts: { db: Reader; capsules: Capsules }, root: string, parent: Capsule): Proof[] {
  return parts.db.get(taken, placeInChain(root, parent))?.proofs ?? proofsOf(parts, root, parent);
}
