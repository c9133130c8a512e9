import type { Capsule, UnsignedCapsule } from '../../protocols/capsule/v1/schema.ts';
import { draftSigner } from '../api/draft.ts';
import { CapsuleDraft } from '../api/schemas/capsules.ts';
import { createCapsule } from '../capsule/capsule.ts';
import { checkCapsule } from '../capsule/check-capsule.ts';
import type { CapsuleCheck } from '../capsule/validate-capsule.ts';
import { checkOf } from '../lib/check.ts';
import { systemClock } from '../lib/clock.ts';
import { nodeCrypto } from '../lib/crypto-node.ts';
import { MeshError } from '../lib/errors.ts';
import type { Cli } from './cli.ts';
import { openIdentity } from './keys.ts';
import type { DataOptions } from './options.ts';

/** The draft with every field filled, as this data directory's identity; unsigned. */
export async function complete(
  cli: Cli,
  draft: CapsuleDraft,
  options: DataOptions,
): Promise<UnsignedCapsule> {
  const { identity } = await openIdentity(cli, options);
  return createCapsule({ ...draft, originIdentity: identity }, systemClock);
}

/** Completes, signs, and lets nothing out that a node would refuse: throws its code. */
export async function sign(cli: Cli, draft: unknown, options: DataOptions): Promise<Capsule> {
  const drafts = checkOf(CapsuleDraft);
  if (!drafts.accepts(draft)) {
    throw new MeshError('invalid_capsule', `The capsule is not valid: ${drafts.explain(draft)}.`);
  }
  const signer = await openIdentity(cli, options);
  const signed = draftSigner({ signer, crypto: nodeCrypto, clock: systemClock })(draft);
  const checked = check(signed);
  if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
  return signed;
}

/** What any node would say of it at this moment. */
export function check(capsule: unknown): CapsuleCheck {
  return checkCapsule(nodeCrypto, capsule, { now: systemClock.now() });
}
