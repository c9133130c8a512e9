import type { Crypto, Signer } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { fromHex, toHex } from '../../src/lib/hex.ts';

/**
 * Signatures by a hash keyed with the public key, fifty times as fast as Ed25519. Whoever knows a name could sign in it:
 * only for nodes that do not try. All else is real.
 */
export const standInCrypto: Crypto = {
  ...nodeCrypto,
  publicKey: (seed) => nodeCrypto.sha256(seed),
  sign: (message, seed) => seal(message, nodeCrypto.sha256(seed)),
  verify: (message, signature, publicKey) => Buffer.compare(seal(message, publicKey), signature) === 0,
};

/** A signer that does not derive its public key again for each signature. */
export function standInSigner(seed: Uint8Array): Signer {
  const identity = toHex(standInCrypto.publicKey(seed));
  const key = fromHex(identity);
  return { identity, sign: (message) => seal(message, key) };
}

function seal(message: Uint8Array, key: Uint8Array): Uint8Array {
  const mac = nodeCrypto.sha256(Buffer.concat([key, message]));
  return Buffer.concat([mac, mac]);
}
