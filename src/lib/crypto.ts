import { toHex } from './hex.ts';

/**
 * The few primitives the protocol needs, behind one interface: native on Node.js (`crypto-node.ts`, 17 times
 * faster to verify), pure JavaScript in browsers (`crypto-noble.ts`). Keys are raw bytes: a 32-byte Ed25519 seed
 * and a 32-byte public key; signatures are 64 bytes.
 */
export interface Crypto {
  /** SHA-256; a string is hashed as UTF-8. 32 bytes. */
  sha256(data: Uint8Array | string): Uint8Array;
  /** SHA-256 as 64 lowercase hex characters. */
  sha256Hex(data: Uint8Array | string): string;
  publicKey(seed: Uint8Array): Uint8Array;
  sign(message: Uint8Array, seed: Uint8Array): Uint8Array;
  /**
   * False for anything that is not a valid signature, malformed keys included; never throws. Both implementations
   * decide alike: S below the group order, R and the key in canonical form, no key of small order, and
   * the equation without the cofactor (RFC 8032, 5.1.7).
   */
  verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
  randomBytes(length: number): Uint8Array;
}

/** Something that signs as one identity; the secret stays inside. */
export interface Signer {
  /** 64-hex Ed25519 public key. */
  readonly identity: string;
  sign(message: Uint8Array): Uint8Array;
}

/** Signs with a 32-byte seed, of which it keeps its own copy. */
export function createSigner(crypto: Crypto, seed: Uint8Array): Signer {
  const secret = Uint8Array.from(seed);
  return {
    identity: toHex(crypto.publicKey(secret)),
    sign: (message) => crypto.sign(message, secret),
  };
}

const KEY_BYTES = 32;
/** y coordinates of the eight points of small order, little endian; either sign of x. */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

/**
 * True for keys that must never verify anything: under a key of small order one signature fits many messages,
 * and a second encoding of a key would be a second identity for one secret.
 */
export function isWeakPublicKey(key: Uint8Array): boolean {
  if (key.length !== KEY_BYTES) return true;
  const y = Uint8Array.from(key);
  y[31] = (y[31] ?? 0) & 0x7f;
  // Not below p = 2^255 - 19: all bytes are ones from the second on, and the first is at least 0xed.
  const high = y[31] === 0x7f && y.subarray(1, 31).every((byte) => byte === 0xff);
  return (high && (y[0] ?? 0) >= 0xed) || SMALL_ORDER_Y.has(toHex(y));
}
