import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalBytes, refuseSignature } from './capsule-signature.ts';
import type { Refused } from './outcome.ts';
import { type ProofOptions, refuseProofs } from './proofs.ts';
import { type CapsuleCheck, prepareCapsule, type ValidateOptions } from './validate-capsule.ts';

export interface CheckOptions extends ValidateOptions, ProofOptions {}

export interface Verdict {
  valid: boolean;
  code?: Refused['error']['code'];
  reason?: string;
}

/**
 * The one check of a capsule from outside, used by API, command line, gossip and streams alike: structure, rules,
 * time, id, signature, and where another than the origin signed, the proofs back to what the origin did sign. Never
 * throws.
 */
export function checkCapsule(crypto: Crypto, value: unknown, options: CheckOptions): CapsuleCheck {
  const prepared = prepareCapsule(value, options);
  if (!prepared.ok) return prepared;
  const { capsule, bytes } = prepared;
  return refuseProof(crypto, capsule, bytes, options) ?? { ok: true, capsule };
}

/** Id, signature and proofs of a capsule whose structure is in order. Never throws. */
export function verifyCapsule(crypto: Crypto, capsule: Capsule, options: ProofOptions = {}): Verdict {
  const refused = refuseProof(crypto, capsule, canonicalBytes(capsule), options);
  return refused === null
    ? { valid: true }
    : { valid: false, code: refused.error.code, reason: refused.error.message };
}

function refuseProof(
  crypto: Crypto,
  capsule: Capsule,
  bytes: Uint8Array,
  options: ProofOptions,
): Refused | null {
  return refuseSignature(crypto, capsule, bytes) ?? refuseProofs(crypto, capsule, options);
}
