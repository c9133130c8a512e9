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
  /** False for anything that is not a valid signature, malformed keys included; never throws. */
  verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
  randomBytes(length: number): Uint8Array;
}

/** Something that signs as one identity; the secret stays inside. */
export interface Signer {
  /** 64-hex Ed25519 public key. */
  readonly identity: string;
  sign(message: Uint8Array): Uint8Array;
}
