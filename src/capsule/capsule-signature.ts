import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalJson } from '../lib/json.ts';
import { signerOf, unsignedPart } from './capsule.ts';
import { type Refused, refuse } from './outcome.ts';
import { verifyHash } from './signing.ts';

/** The bytes that a capsule's id is the SHA-256 of. Throws `invalid_json`. */
export function canonicalBytes(capsule: Capsule): Uint8Array {
  return new TextEncoder().encode(canonicalJson(unsignedPart(capsule)));
}

/** Id and signature of a capsule whose structure is in order; `bytes` as `canonicalBytes` gives them. */
export function refuseSignature(crypto: Crypto, capsule: Capsule, bytes: Uint8Array): Refused | null {
  if (crypto.sha256Hex(bytes) !== capsule.id)
    return refuse('invalid_signature', 'The capsule\'s "id" is not the hash of its content.');
  if (!verifyHash(crypto, DOMAINS.capsule, capsule.id, capsule.signature, signerOf(capsule)))
    return refuse(
      'invalid_signature',
      'The capsule\'s "signature" is not by the identity that must sign it.',
    );
  return null;
}
