import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Crypto, isWeakPublicKey } from './crypto.ts';

/** Keys kept imported: importing costs a tenth of a verification. Above the number of peers a node talks to. */
const CACHED_KEYS = 4096;
/** A process signs as very few identities; secrets should not linger. */
const CACHED_SEEDS = 16;
const SEED_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** DER of an Ed25519 PKCS #8 private key up to its 32 seed bytes (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

/** The native implementation, for Node.js. */
export function createNodeCrypto(): Crypto {
  /** False stands for a key that cannot be used, so that garbage is not parsed twice. */
  const publicKeys = new LRUCache<string, KeyObject | false>({ max: CACHED_KEYS });
  const privateKeys = new LRUCache<string, KeyObject>({ max: CACHED_SEEDS });

  function importPublic(bytes: Uint8Array): KeyObject | false {
    if (isWeakPublicKey(bytes)) return false;
    try {
      const x = Buffer.from(bytes).toString('base64url');
      return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    } catch {
      return false;
    }
  }

  function publicKeyObject(bytes: Uint8Array): KeyObject | false {
    const name = hexOf(bytes);
    let key = publicKeys.get(name);
    if (key === undefined) {
      key = importPublic(bytes);
      publicKeys.set(name, key);
    }
    return key;
  }

  function privateKeyObject(seed: Uint8Array): KeyObject {
    if (seed.length !== SEED_BYTES) throw new RangeError('An Ed25519 seed has 32 bytes.');
    const name = hash('sha256', seed, 'hex');
    let key = privateKeys.get(name);
    if (key === undefined) {
      key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
      privateKeys.set(name, key);
    }
    return key;
  }

  return {
    sha256: (data) => new Uint8Array(hash('sha256', data, 'buffer')),
    sha256Hex: (data) => hash('sha256', data, 'hex'),
    publicKey(seed) {
      const { x } = createPublicKey(privateKeyObject(seed)).export({ format: 'jwk' });
      return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
    },
    sign: (message, seed) => new Uint8Array(sign(null, message, privateKeyObject(seed))),
    verify(message, signature, publicKey) {
      if (signature.length !== SIGNATURE_BYTES) return false;
      const key = publicKeyObject(publicKey);
      return key !== false && verify(null, message, key, signature);
    },
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
  };
}

export const nodeCrypto: Crypto = createNodeCrypto();
