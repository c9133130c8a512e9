import { Type } from 'typebox';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { Proof } from '../../protocols/messages/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { describeProblem, jsonProblem } from '../lib/json.ts';
import { verifyAssignment } from './assignment.ts';
import { refuseSignature } from './capsule-signature.ts';
import { leaseProblem } from './check-lease.ts';
import { checkResult } from './check-result.ts';
import { deriveChild } from './derive.ts';
import { type Refused, refuse } from './outcome.ts';
import { continuesAt, submitterOf } from './roles.ts';
import { prepareCapsule } from './validate-capsule.ts';

export interface ProofOptions {
  /** From the capsule that the origin signed to the parent; looked at only where another than the origin signed. */
  proofs?: readonly Proof[];
  /** The structure has already been checked, as `parseExchangeMessage` does: do not check it twice. */
  schemaChecked?: boolean;
}

const proofsCheck = checkOf(Type.Array(Proof, { minItems: 1, maxItems: LIMITS.chainDepth }));
/** A document at its own depth limit still fits: it is inside a proof inside the list. */
const PROOFS_JSON_DEPTH = LIMITS.jsonDepth + 2;

const refuseLink = (reason: string): Refused => refuse('lineage_invalid', reason);

/**
 * Whether a capsule that another than its origin signed may exist (protocol "Next steps"): every parent back to one that
 * the origin signed was executed by whom it was given to, under a lease of a node that may coordinate it, with the result
 * that gives exactly the next one, and whoever signed that may continue the parent. Null when it holds, and for what
 * the origin signed. The capsule's own id and signature are checked elsewhere. Never throws.
 */
export function refuseProofs(crypto: Crypto, capsule: Capsule, options: ProofOptions): Refused | null {
  if (capsule.signer === undefined) return null;
  const { proofs = [] } = options;
  const refused = refuseStructure(proofs, options.schemaChecked === true);
  if (refused !== null) return refused;
  let grandparent: Proof | null = null;
  for (const [index, proof] of proofs.entries()) {
    const child: Capsule = proofs[index + 1]?.parent ?? capsule;
    const problem =
      parentProblem(crypto, proof, grandparent) ??
      executionProblem(crypto, proof, grandparent) ??
      childProblem(crypto, proof, child);
    if (problem !== null) return refuseLink(problem);
    grandparent = proof;
  }
  return null;
}

function refuseStructure(proofs: readonly Proof[], schemaChecked: boolean): Refused | null {
  if (proofs.length === 0)
    return refuseLink('The capsule is not signed by its origin and comes without proofs.');
  if (proofs.length > LIMITS.chainDepth)
    return refuseLink('The capsule has more proofs than a chain has links.');
  const problem = jsonProblem(proofs, PROOFS_JSON_DEPTH);
  if (problem !== null) return refuseLink(describeProblem('The list of proofs', problem));
  if (schemaChecked || proofsCheck.accepts(proofs)) return null;
  return refuseLink(`The list of proofs is not valid: ${proofsCheck.explain(proofs)}.`);
}

/** The first is the origin's, the others are proven by the ones before them. */
function parentProblem(crypto: Crypto, { parent }: Proof, grandparent: Proof | null): string | null {
  if ((parent.signer === undefined) !== (grandparent === null))
    return 'The proofs do not begin at the last capsule that the origin signed.';
  const prepared = prepareCapsule(parent, { now: parent.timestamp, schemaChecked: true });
  const refused = prepared.ok ? refuseSignature(crypto, parent, prepared.bytes) : prepared;
  return refused === null ? null : `A parent in the proofs does not verify: ${refused.error.message}`;
}

/** It was executed by the node that it was leased to, by one that may coordinate it, and with this result. */
function executionProblem(crypto: Crypto, proof: Proof, grandparent: Proof | null): string | null {
  const { parent, lease, receipt, result } = proof;
  if (!coordinatorsOf(parent, grandparent).includes(lease.coordinator))
    return 'The lease in the proofs is not by a node that may coordinate the parent.';
  const problem =
    leaseProblem(lease, parent) ??
    checkResult(crypto, {
      capsule: parent,
      lease,
      receipt,
      status: 'completed',
      result,
      from: receipt.identity,
    });
  if (problem !== null) return `The proofs do not hold: ${problem}`;
  const granted = verifyAssignment(crypto, lease, { schemaChecked: true, signatureRequired: true });
  return granted.ok ? null : `The lease in the proofs does not verify: ${granted.error.message}`;
}

/** The submitter, and where the parent was itself continued at an executor, that one. */
function coordinatorsOf(parent: Capsule, grandparent: Proof | null): string[] {
  const submitter = submitterOf(parent);
  if (grandparent === null || continuesAt(grandparent.parent) === 'submitter') return [submitter];
  return [submitter, grandparent.receipt.identity];
}

/** The child is what step and result give, and its signer is one who may continue the parent. */
function childProblem(crypto: Crypto, { parent, receipt, result }: Proof, child: Capsule): string | null {
  const { lineage, signer } = child;
  if (lineage === undefined) return 'A capsule that its origin did not sign has no "lineage".';
  const byExecutor = continuesAt(parent) === 'executor' && signer === receipt.identity;
  if (signer !== submitterOf(parent) && !byExecutor) return 'The signer may not continue the parent.';
  try {
    const { id } = deriveChild(crypto, { parent, step: lineage.step, receipt, result });
    return id === child.id ? null : 'The capsule is not what the parent, the step and the result give.';
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return `The lineage names a step that gives no capsule: ${error.message}`;
  }
}
