import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule, NextStep, UnsignedCapsule } from '../../protocols/capsule/v1/schema.ts';
import type { Proof } from '../../protocols/messages/v1/schema.ts';
import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import { type AssignmentBody, assignmentHash, signAssignment } from '../../src/capsule/assignment.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import { signChild } from '../../src/capsule/derive.ts';
import { inputHashOf } from '../../src/capsule/intent.ts';
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

/** A next step that hands on the text of the result, unless told. */
export function step(requestedCapability: string, fields: Partial<NextStep> = {}): NextStep {
  return { requestedCapability, payloadTemplate: { text: '$result.text' }, ...fields };
}

/** Alice's lease of `capsule` to Bob. */
export function leaseOf(
  capsule: Capsule,
  overrides: Partial<AssignmentBody> = {},
  by: TestKey = alice,
): Assignment {
  return signAssignment(by.signer, nodeCrypto, {
    capsuleId: capsule.id,
    executor: bob.identity,
    epoch: 1,
    price: capsule.paymentRule?.amount ?? 0,
    grantedAt: capsule.timestamp + 5,
    expiresAt: capsule.timestamp + 60_000,
    coordinator: by.identity,
    ...overrides,
  });
}

/** Bob's receipt of having completed `capsule` with `result`, 10 to 20 ms after it was made. */
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
    inputHash: inputHashOf(nodeCrypto, capsule),
    resultHash: hashJson(nodeCrypto, result),
    status: 'completed',
    error: null,
    lease: null,
    epoch: 1,
    charge: null,
    execution: null,
    permissionsDeclared: [],
    permissionsUsed: [],
    startedAt: capsule.timestamp + 10,
    finishedAt: capsule.timestamp + 20,
    previousStateRoot: '00'.repeat(32),
    nextStateRoot: '11'.repeat(32),
    previousReceiptHash: GENESIS_HASH,
    ...overrides,
  });
}

export interface Parties {
  coordinator?: TestKey;
  executor?: TestKey;
  lease?: Partial<AssignmentBody>;
  receipt?: Partial<ReceiptBody>;
}

/** That `executor` ran `capsule` with this result, under a lease of `coordinator`; Bob and Alice unless others are named. */
export function proofOf(capsule: Capsule, result: unknown, parties: Parties = {}): Proof {
  const { coordinator = alice, executor = bob } = parties;
  const lease = leaseOf(capsule, { executor: executor.identity, ...parties.lease }, coordinator);
  const under = { lease: assignmentHash(nodeCrypto, lease), epoch: lease.epoch };
  const charge = lease.price === 0 ? null : lease.price;
  const receipt = receiptOf(capsule, result, { ...under, charge, ...parties.receipt }, executor);
  return { parent: capsule, lease, receipt, result };
}

/** The child that `by` makes of this step of what a proof is of. */
export function childOf({ parent, receipt, result }: Proof, by: TestKey = bob, step = 0): Capsule {
  return signChild(nodeCrypto, { parent, step, receipt, result }, by.signer);
}
