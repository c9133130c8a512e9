import { ARCHIVE_VERSION } from '../../protocols/archive/v1/schema.ts';
import type { Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import type { SealApi } from './capability.ts';
import type { PermissionUse } from './permission-use.ts';

/** An envelope without its signers is below 1 KiB. */
const MAX_ENVELOPE_BYTES = 16_384;

/**
 * The node's key for envelopes of archives and nothing else (archive-v0.6 "Envelope"): no other signature of this node
 * begins with their domain, so no capsule, receipt or settlement can be signed through it. For others than the node's own
 * identity it takes a second permission.
 */
export function scopedSeal(signer: Signer, permissions: PermissionUse, origin: string): SealApi {
  return Object.freeze({
    publicKey: signer.identity,
    sign: async (role: string, message: Uint8Array) => {
      permissions.use('seal');
      if (origin !== signer.identity) permissions.use('seal:others');
      // A copy, checked and signed as one: the caller could change its own in between.
      const signed = Buffer.from(message);
      const domain = Buffer.from(`capsule-provenance-v${ARCHIVE_VERSION}:${role}\0`);
      if (!signed.subarray(0, domain.length).equals(domain) || signed.length > MAX_ENVELOPE_BYTES)
        throw new MeshError('permission_denied', 'Only envelopes of archives are signed for a capability.');
      return signer.sign(signed);
    },
  });
}
