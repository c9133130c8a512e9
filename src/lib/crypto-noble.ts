import { getPublicKey, hashes, Point, sign } from '@noble/ed25519';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { type Crypto, isWeakPublicKey } from './crypto.ts';
import { toHex } from './hex.ts';

/** Order of the base point (RFC 8032, 5.1). */
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const SIGNATURE_BYTES = 64;
const POINT_BYTES = 32;
/** The most that one `getRandomValues` call gives. */
const RANDOM_CHUNK_BYTES = 65_536;

const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === 'string' ? new TextEncoder().encode(data) : data;

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.toReversed())}`);
}

/** The library leaves the choice of SHA-512 to its user. */
function withSha512<T>(run: () => T): T {
  hashes.sha512 ??= sha512;
  return run();
}

/**
 * The library's own `verify` multiplies by the cofactor, native ones do not: two nodes could then disagree about
 * one signature, so this is the equation that native code checks.
 */
function verifyStrictly(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  const encodedR = signature.subarray(0, POINT_BYTES);
  const s = littleEndian(signature.subarray(POINT_BYTES));
  if (s >= GROUP_ORDER) return false;
  const challenge = sha512.create().update(encodedR).update(publicKey).update(message).digest();
  const k = littleEndian(challenge) % GROUP_ORDER;
  const key = Point.fromBytes(publicKey);
  const expectedR = Point.BASE.multiply(s, false).subtract(key.multiply(k, false));
  return expectedR.toBytes().every((byte, index) => byte === encodedR[index]);
}

/** The pure JavaScript implementation, for browsers. */
export const nobleCrypto: Crypto = {
  sha256: (data) => sha256(bytesOf(data)),
  sha256Hex: (data) => toHex(sha256(bytesOf(data))),
  publicKey: (seed) => withSha512(() => getPublicKey(seed)),
  sign: (message, seed) => withSha512(() => sign(message, seed)),
  verify(message, signature, publicKey) {
    if (signature.length !== SIGNATURE_BYTES || isWeakPublicKey(publicKey)) return false;
    try {
      return verifyStrictly(message, signature, publicKey);
    } catch {
      return false;
    }
  },
  randomBytes(length) {
    const bytes = new Uint8Array(length);
    for (let start = 0; start < length; start += RANDOM_CHUNK_BYTES)
      globalThis.crypto.getRandomValues(bytes.subarray(start, start + RANDOM_CHUNK_BYTES));
    return bytes;
  },
};
