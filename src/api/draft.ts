import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { createCapsule, signCapsule } from '../capsule/capsule.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import type { CapsuleDraft } from './schemas/capsules.ts';

/** Completes drafts with the protocol's defaults and signs them as the node. */
export function draftSigner(components: {
  signer: Signer;
  crypto: Crypto;
  clock: Pick<Clock, 'now'>;
}): (draft: CapsuleDraft) => Capsule {
  const { signer, crypto, clock } = components;
  return (draft) => {
    const { timestamp, originIdentity = signer.identity, ...options } = draft;
    const unsigned = createCapsule({ ...options, originIdentity }, clock);
    return signCapsule(signer, crypto, { ...unsigned, timestamp: timestamp ?? unsigned.timestamp });
  };
}
