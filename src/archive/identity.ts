import type { Crypto } from '../lib/crypto.ts';
import { fromHex } from '../lib/hex.ts';
import { joined } from './canonical.ts';

const ID_DOMAIN = 'capsule-id-v0.6\0';

/** Id of an archive, from its originator's key and its first event (archive-v0.6 "Manifest"). All 64-hex. */
export function capsuleId(
  crypto: Pick<Crypto, 'sha256Hex'>,
  originatorPublicKey: string,
  firstEventHash: string,
): string {
  return crypto.sha256Hex(joined(ID_DOMAIN, fromHex(originatorPublicKey), fromHex(firstEventHash)));
}
