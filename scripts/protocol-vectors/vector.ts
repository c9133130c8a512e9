import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import type { Proof } from '../../protocols/messages/v1/schema.ts';
import { hashCapsule, unsignedPart } from '../../src/capsule/capsule.ts';
import { signHash } from '../../src/capsule/signing.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { canonicalJson } from '../../src/lib/json.ts';
import { NOW } from '../../test/support/documents.ts';
import * as keys from '../../test/support/keys.ts';

/** The files that this script writes, by their path below `protocols/`. */
export type Vectors = Map<string, object>;

/** A capsule that must be accepted, with what its id is the hash of. */
export function valid(description: string, capsule: Capsule, proofs?: Proof[], now = NOW): object {
  const signer = Object.entries(keys).find(
    ([, { identity }]) => identity === (capsule.signer ?? capsule.originIdentity),
  );
  return {
    description,
    now,
    signer: signer?.[0],
    canonical: canonicalJson(unsignedPart(capsule)),
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
export function changed(capsule: Capsule, change: object, by: keys.TestKey): Capsule {
  const other: Capsule = { ...capsule, ...change };
  const id = hashCapsule(nodeCrypto, other);
  return { ...other, id, signature: signHash(by.signer, DOMAINS.capsule, id) };
}
