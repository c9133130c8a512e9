import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import type { SpawnedCapsule } from '../../protocols/messages/v1/schema.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { signerOf } from './capsule.ts';
import { validateCapsule } from './check-capsule.ts';
import { continuesAtOrigin, deriveChild, type SpawnSource } from './derive.ts';
import { type Refused, refuse } from './outcome.ts';
import { signHash, verifyHash } from './signing.ts';

export interface Spawned {
  capsule: Capsule;
  /** Dotted payload paths that came from the parent's result. */
  untrusted: string[];
}

/**
 * The child that the executor of the parent may sign; its delegation is the proof. Throws `invalid_request` where
 * the origin must sign or there is no such step, `template_path_missing`, or what `validateCapsule` says of the child,
 * such as `too_large`.
 */
export function spawnChild(crypto: Crypto, source: SpawnSource, executor: Signer): Spawned {
  if (continuesAtOrigin(source.parent))
    throw new MeshError('invalid_request', 'Only the origin may sign the next steps of this capsule.');
  return sign(crypto, source, executor);
}

/** The child of a parent whose next steps only its origin may sign (`continuesAtOrigin`). Throws like `spawnChild`. */
export function spawnAtOrigin(crypto: Crypto, source: SpawnSource, origin: Signer): Spawned {
  if (!continuesAtOrigin(source.parent))
    throw new MeshError('invalid_request', 'The executor of this capsule signs its next steps.');
  return sign(crypto, source, origin);
}

function sign(crypto: Crypto, source: SpawnSource, signer: Signer): Spawned {
  const { unsigned, id, untrusted } = deriveChild(crypto, source);
  if (signer.identity !== signerOf(unsigned))
    throw new MeshError('invalid_request', "The next step is not this identity's to sign.");
  const capsule: Capsule = { id, ...unsigned, signature: signHash(signer, DOMAINS.capsule, id) };
  const checked = validateChild(capsule);
  if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
  return { capsule, untrusted };
}

/** A parent in order can have a child that is not: too large or too deep with the result and the proof in it. */
const validateChild = (child: Capsule) =>
  validateCapsule(child, { now: child.timestamp, schemaChecked: true });

/**
 * The whole child of which only `spawned` travelled. The caller has verified the parent and the receipt, and that the
 * result is the receipt's; this checks that step, id and signature fit them, and the child's limits. Never throws.
 */
export function restoreChild(
  crypto: Crypto,
  source: Omit<SpawnSource, 'step'>,
  spawned: SpawnedCapsule,
): ({ ok: true } & Spawned) | Refused {
  try {
    const { unsigned, id, untrusted } = deriveChild(crypto, { ...source, step: spawned.step });
    if (id !== spawned.id)
      return refuse('delegation_invalid', `The spawned capsule of step ${spawned.step} has another id.`);
    if (!verifyHash(crypto, DOMAINS.capsule, id, spawned.signature, signerOf(unsigned)))
      return refuse(
        'delegation_invalid',
        `The signature of the spawned capsule of step ${spawned.step} is not valid.`,
      );
    const checked = validateChild({ id, ...unsigned, signature: spawned.signature });
    return checked.ok ? { ...checked, untrusted } : checked;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return refuse('delegation_invalid', `Step ${spawned.step} gives no capsule: ${error.message}`);
  }
}
