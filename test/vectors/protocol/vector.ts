import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorCode } from '../../../protocols/common/v1/errors.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import { canonicalText } from '../primitives.ts';
import { covered, DOMAINS, hashOf, NOW } from './documents.ts';
import { everyone, type Key, signHash } from './keys.ts';

/** The files that this script writes, by their path below `protocols/`. */
export type Vectors = Map<string, object>;

/** A capsule that must be accepted, with what its id is the hash of. */
export function valid(description: string, capsule: Capsule, proofs?: Proof[], now = NOW): object {
  const signer = everyone.find(({ identity }) => identity === (capsule.signer ?? capsule.originIdentity));
  return {
    description,
    now,
    signer: signer?.name,
    canonical: canonicalText(covered(capsule)),
    capsule,
    ...(proofs === undefined ? {} : { proofs }),
  };
}

/** A capsule that must be refused; in order but for what `description` says. */
export function invalid(
  code: ErrorCode,
  description: string,
  capsule: object,
  proofs?: object[],
  now = NOW,
): object {
  return { description, code, now, capsule, ...(proofs === undefined ? {} : { proofs }) };
}

/** The capsule changed, with the id that it then has and a good signature. */
export function changed(capsule: Capsule, change: object, by: Key): Capsule {
  const other: Capsule = { ...capsule, ...change };
  const id = hashOf(covered(other));
  return { ...other, id, signature: signHash(by, DOMAINS.capsule, id) };
}
