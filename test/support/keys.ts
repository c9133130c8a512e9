import { nodeIdOf } from '../../src/capsule/identity.ts';
import { createSigner, type Signer } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';

export interface TestKey {
  /** 32-byte Ed25519 seed; fixed, public, never for anything real. */
  seed: Uint8Array;
  signer: Signer;
  identity: string;
  nodeId: string;
}

function testKey(byte: number): TestKey {
  const seed = new Uint8Array(32).fill(byte);
  const signer = createSigner(nodeCrypto, seed);
  return { seed, signer, identity: signer.identity, nodeId: nodeIdOf(signer.identity) };
}

/** Asks. */
export const alice = testKey(0xa1);
/** Executes. */
export const bob = testKey(0xb0);
/** Executes too, and pays nobody. */
export const carol = testKey(0xca);
/** Comes later. */
export const dave = testKey(0xda);
/** Lies. */
export const mallory = testKey(0xee);
