import { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { type Refused, refuse } from './outcome.ts';
import { needsSignedLease } from './roles.ts';
import { type DocumentOptions, structureCheck } from './signed-document.ts';
import { hashJson, signHash, verifyHash } from './signing.ts';

export type AssignmentBody = Omit<Assignment, 'signature'>;

/** Structure only. */
export const checkAssignmentStructure = structureCheck(Assignment, 'assignment', 'lease_invalid');

/** SHA-256 of the canonical form without `signature`, there or not: what a receipt has as `lease`; 64-hex. */
export function assignmentHash(crypto: Crypto, assignment: AssignmentBody | Assignment): string {
  const { signature: _, ...body }: AssignmentBody & Partial<Assignment> = assignment;
  return hashJson(crypto, body);
}

/** Throws `invalid_request` where another identity is named as the coordinator. */
export function signAssignment(signer: Signer, crypto: Crypto, body: AssignmentBody): Assignment {
  if (signer.identity !== body.coordinator)
    throw new MeshError('invalid_request', 'Only the coordinator that an assignment names can sign it.');
  return { ...body, signature: signHash(signer, DOMAINS.assignment, assignmentHash(crypto, body)) };
}

export interface AssignmentOptions extends DocumentOptions {
  /** Whether one without a signature is refused (`needsSignedLease`); one that is there is always verified. */
  signatureRequired: boolean;
}

/** Structure and signature; who may coordinate, and until when it holds, is the caller's to judge. Never throws. */
export function verifyAssignment(
  crypto: Crypto,
  value: unknown,
  options: AssignmentOptions,
): { ok: true; assignment: Assignment } | Refused {
  const checked = checkAssignmentStructure(value, options);
  if (!checked.ok) return checked;
  const assignment = checked.document;
  const { signature, coordinator } = assignment;
  if (signature === undefined)
    return options.signatureRequired
      ? refuse('lease_invalid', 'The assignment must be signed and is not.')
      : { ok: true, assignment };
  if (!verifyHash(crypto, DOMAINS.assignment, assignmentHash(crypto, assignment), signature, coordinator))
    return refuse('lease_invalid', 'The assignment\'s "signature" is not by the coordinator that it names.');
  return { ok: true, assignment };
}

/** A signer's own lease as others get it: with a signature where it will be shown to others, else as it is. */
export function leaseToTell(signer: Signer, crypto: Crypto, capsule: Capsule, lease: Assignment): Assignment {
  const signs = lease.coordinator === signer.identity && needsSignedLease(capsule);
  return signs ? signAssignment(signer, crypto, lease) : lease;
}
