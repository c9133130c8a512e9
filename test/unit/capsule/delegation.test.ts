import { describe, expect, it } from 'vitest';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { refuseDelegation } from '../../../src/capsule/delegation.ts';
import { spawnChild } from '../../../src/capsule/spawn.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { receiptOf, rootCapsule } from '../../support/documents.ts';
import { bob, mallory } from '../../support/keys.ts';

const result = { summary: 'A fox.' };
const parent = rootCapsule({
  next: [{ requestedCapability: 'data.store', payloadTemplate: { value: '$result.summary' } }],
});
const receipt = receiptOf(parent, result);
const child = spawnChild(nodeCrypto, { parent, step: 0, receipt, result }, bob.signer).capsule;

/** The child with another proof; its own id and signature are not this check's concern. */
function proven(change: Partial<NonNullable<Capsule['delegation']>>): Capsule {
  const { delegation } = child;
  return delegation === undefined ? child : { ...child, delegation: { ...delegation, ...change } };
}

describe('refuseDelegation', () => {
  it('has nothing against a child that its proof gives, nor against one without', () => {
    expect(refuseDelegation(nodeCrypto, child)).toBeNull();
    expect(refuseDelegation(nodeCrypto, parent)).toBeNull();
  });

  const failure = {
    status: 'failed',
    resultHash: null,
    error: { code: 'timeout', message: 'Slow.' },
  } as const;
  it.each<[string, Capsule]>([
    ["receipt in the delegation is not the spawner's", proven({ spawner: mallory.identity })],
    ['receipt in the delegation is of a failure', proven({ receipt: receiptOf(parent, result, failure) })],
    [
      'receipt in the delegation is of another capsule',
      proven({ receipt: receiptOf(rootCapsule(), result) }),
    ],
    ['result in the delegation is not the one', proven({ result: { summary: 'A hen.' } })],
    ['receipt in the delegation does not verify', proven({ receipt: { ...receipt, epoch: 9 } })],
    ['has no next step 1', proven({ step: 1 })],
    ['capsule\'s "payload" is not what', { ...child, payload: { value: 'A hen.' } }],
    ['capsule\'s "parentCapsule" is not what', { ...child, parentCapsule: 'ab'.repeat(32) }],
    ['parent does not verify', proven({ parent: { ...parent, signature: child.signature } })],
    ['origin may sign the next steps', proven({ parent: { ...parent, privacyRule: 'restricted' } })],
  ])('says that the %s', (reason, capsule) => {
    expect(refuseDelegation(nodeCrypto, capsule)).toMatchObject({
      error: { code: 'delegation_invalid', message: expect.stringContaining(reason) },
    });
  });
});
