import type { Capsule, UnsignedCapsule } from '../../protocols/capsule/v1/schema.ts';
import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import { type ReceiptBody, signReceipt } from '../../src/capsule/receipt.ts';
import { hashJson } from '../../src/capsule/signing.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { alice, bob, type TestKey } from './keys.ts';

/** The moment at which every test document is made. */
export const NOW = 1_700_000_000_000;

/** A root capsule of Alice's for `text.analyze`, with what `options` say. */
export function rootCapsule(options: Partial<CapsuleOptions> = {}, by: TestKey = alice): Capsule {
  return signCapsule(by.signer, nodeCrypto, unsignedRoot({ originIdentity: by.identity, ...options }));
}

export function unsignedRoot(options: Partial<CapsuleOptions> = {}): UnsignedCapsule {
  return createCapsule(
    {
      originIdentity: alice.identity,
      requestedCapability: 'text.analyze',
      payload: { text: 'The quick brown fox.' },
      ...options,
    },
    { now: () => NOW },
  );
}

/** Bob's receipt of having completed `capsule` with `result`. */
export function receiptOf(
  capsule: Capsule,
  result: unknown,
  overrides: Partial<ReceiptBody> = {},
  by: TestKey = bob,
): Receipt {
  return signReceipt(by.signer, nodeCrypto, {
    version: 1,
    capsuleId: capsule.id,
    identity: by.identity,
    capabilityId: capsule.requestedCapability,
    codeHash: 'c0'.repeat(32),
    action: capsule.requestedCapability,
    inputHash: hashJson(nodeCrypto, capsule.payload),
    resultHash: hashJson(nodeCrypto, result),
    status: 'completed',
    error: null,
    lease: null,
    epoch: 1,
    charge: null,
    execution: null,
    permissionsDeclared: [],
    permissionsUsed: [],
    startedAt: NOW + 10,
    finishedAt: NOW + 20,
    previousStateRoot: '00'.repeat(32),
    nextStateRoot: '11'.repeat(32),
    previousReceiptHash: GENESIS_HASH,
    ...overrides,
  });
}
