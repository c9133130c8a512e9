import type { Capsule, Delegation } from '../../protocols/capsule/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { canonicalJson } from '../lib/json.ts';
import { continuesAtOrigin, deriveFields } from './derive.ts';
import { type Refused, refuse } from './outcome.ts';
import { canonicalBytes, refuseSignature } from './proof.ts';
import { verifyReceipt } from './receipt.ts';
import { refuseByRules } from './rules.ts';
import { hashJson } from './signing.ts';

const refuseLink = (reason: string): Refused => refuse('delegation_invalid', reason);

/**
 * The proof that a spawned capsule may exist, back to the root that its origin signed (protocol "Spawned
 * capsules"). Null when it holds, and for capsules without delegation; the capsule's own id and signature are
 * checked elsewhere. Never throws on a capsule whose structure is in order.
 */
export function refuseDelegation(crypto: Crypto, capsule: Capsule): Refused | null {
  let child = capsule;
  while (child.delegation !== undefined) {
    const { delegation } = child;
    const refused =
      refuseExecution(crypto, delegation) ??
      refuseDerivation(child, delegation) ??
      refuseParent(crypto, delegation.parent);
    if (refused !== null) return refused;
    child = delegation.parent;
  }
  return null;
}

/** The spawner really executed the parent, with this result, and was allowed to go on by itself. */
function refuseExecution(crypto: Crypto, delegation: Delegation): Refused | null {
  const { parent, receipt, spawner } = delegation;
  if (continuesAtOrigin(parent)) return refuseLink('Only the origin may sign the next steps of this parent.');
  if (receipt.identity !== spawner) return refuseLink("The receipt in the delegation is not the spawner's.");
  if (receipt.capsuleId !== parent.id)
    return refuseLink('The receipt in the delegation is of another capsule.');
  if (receipt.status !== 'completed') return refuseLink('The receipt in the delegation is of a failure.');
  if (receipt.resultHash !== hashJson(crypto, delegation.result))
    return refuseLink('The result in the delegation is not the one that the receipt names.');
  const checked = verifyReceipt(crypto, receipt, { schemaChecked: true });
  return checked.ok
    ? null
    : refuseLink(`The receipt in the delegation does not verify: ${checked.error.message}`);
}

/** The child is what the parent's step makes of the result, field by field. */
function refuseDerivation(child: Capsule, delegation: Delegation): Refused | null {
  let expected: Capsule;
  try {
    expected = { ...child, ...deriveFields(delegation).unsigned };
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return refuseLink(`The delegation names a step that gives no capsule: ${error.message}`);
  }
  for (const [field, value] of Object.entries(expected)) {
    if (field === 'delegation') continue;
    if (canonicalJson(value) !== canonicalJson(Reflect.get(child, field)))
      return refuseLink(`The capsule's "${field}" is not what the parent's step and result give.`);
  }
  return null;
}

function refuseParent(crypto: Crypto, parent: Capsule): Refused | null {
  const refused = refuseByRules(parent) ?? refuseSignature(crypto, parent, canonicalBytes(parent));
  return refused === null ? null : refuseLink(`The parent does not verify: ${refused.error.message}`);
}
