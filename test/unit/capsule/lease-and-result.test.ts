import { describe, expect, it } from 'vitest';
import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule, PaymentRule } from '../../../protocols/capsule/v1/schema.ts';
import { checkLease } from '../../../src/capsule/check-lease.ts';
import { checkResult, type ReportedResult } from '../../../src/capsule/check-result.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { leaseOf, NOW, type Parties, proofOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, carol, mallory } from '../../support/keys.ts';

const SKEW_MS = 300_000;
const amount: PaymentRule = { type: 'credit', amount: 2 };
const price: PaymentRule = { ...amount, charge: 'price' };
const ending = rootCapsule({ executionPolicy: { expiresAt: NOW + 50_000 } });
const free = rootCapsule();

const check = (lease: Assignment, capsule: Capsule = free, now = NOW + 10) =>
  checkLease(lease, { capsule, executor: bob.identity, coordinator: alice.identity, now });

describe('checkLease', () => {
  it.each<[string, Assignment, Capsule, number?]>([
    ['as it is granted', leaseOf(free), free],
    ['at the amount', leaseOf(rootCapsule({ paymentRule: amount })), rootCapsule({ paymentRule: amount })],
    [
      'below the amount where the price is charged',
      leaseOf(rootCapsule({ paymentRule: price }), { price: 0.5 }),
      rootCapsule({ paymentRule: price }),
    ],
    [
      'for nothing where the price is charged',
      leaseOf(rootCapsule({ paymentRule: price }), { price: 0 }),
      rootCapsule({ paymentRule: price }),
    ],
    ['from the skew before the capsule was made', leaseOf(free, { grantedAt: NOW - SKEW_MS }), free],
    [
      'until the skew after the capsule expires',
      leaseOf(ending, { expiresAt: NOW + 50_000 + SKEW_MS }),
      ending,
    ],
    ['at a node that is the skew behind', leaseOf(free), free, NOW + 5 - SKEW_MS],
    ['at a node that is the skew ahead', leaseOf(free), free, NOW + 60_000 + SKEW_MS],
  ])('takes a lease %s', (_, lease, capsule, now) => {
    expect(check(lease, capsule, now)).toBeNull();
  });

  it.each<[string, Assignment, Capsule?]>([
    ['of another capsule', leaseOf(rootCapsule({ payload: {} }))],
    ['for another node', leaseOf(free, { executor: carol.identity })],
    ['by another node', leaseOf(free, {}, mallory)],
    ['that ends before it begins', leaseOf(free, { expiresAt: NOW + 4 })],
    ['from before the capsule was made', leaseOf(free, { grantedAt: NOW - SKEW_MS - 1 })],
    ['until after the capsule expires', leaseOf(ending, { expiresAt: NOW + 50_001 + SKEW_MS }), ending],
    ['at a price for what is free', leaseOf(free, { price: 1 })],
    [
      'above the amount',
      leaseOf(rootCapsule({ paymentRule: amount }), { price: 3 }),
      rootCapsule({ paymentRule: amount }),
    ],
    [
      'above the ceiling',
      leaseOf(rootCapsule({ paymentRule: price }), { price: 3 }),
      rootCapsule({ paymentRule: price }),
    ],
    [
      'below the amount where that is charged',
      leaseOf(rootCapsule({ paymentRule: amount }), { price: 1 }),
      rootCapsule({ paymentRule: amount }),
    ],
    [
      'at a price that no ledger counts',
      leaseOf(rootCapsule({ paymentRule: price }), { price: 0.0000001 }),
      rootCapsule({ paymentRule: price }),
    ],
  ])('refuses a lease %s', (_, lease, capsule) => {
    expect(check(lease, capsule)).toMatchObject({ code: 'lease_invalid' });
  });

  it('says by how much the clocks differ', () => {
    expect(check(leaseOf(free), free, NOW + 4 - SKEW_MS)).toMatchObject({
      code: 'clock_skew',
      detail: { aheadMs: SKEW_MS + 1 },
    });
    expect(check(leaseOf(free), free, NOW + 60_001 + SKEW_MS)).toMatchObject({
      code: 'clock_skew',
      detail: { behindMs: SKEW_MS + 1 },
    });
  });
});

const result = { summary: 'A fox.' };
function report(parties: Parties = {}, capsule: Capsule = free): ReportedResult {
  const { lease, receipt } = proofOf(capsule, result, parties);
  return { capsule, lease, receipt, status: receipt.status, result, from: bob.identity };
}
const failure = {
  status: 'failed',
  resultHash: null,
  charge: null,
  error: { code: 'timeout', message: 'Slow.' },
} as const;
const failed: ReportedResult = { ...report({ receipt: failure }), result: undefined };
const paid = rootCapsule({ paymentRule: amount });

describe('checkResult', () => {
  it.each<[string, ReportedResult]>([
    ['a result', report()],
    ['a receipt without its result', { ...report(), result: undefined }],
    ['a failure', failed],
    ['a failure of paid work', { ...report({ receipt: failure }, paid), result: undefined }],
    ['a charge of all', report({}, paid)],
    ['a charge of less', report({ receipt: { charge: 0.5 } }, paid)],
    ['a start the skew before the lease', report({ receipt: { startedAt: NOW + 5 - SKEW_MS } })],
    ['an end the skew after the lease', report({ receipt: { finishedAt: NOW + 60_000 + SKEW_MS } })],
  ])('takes %s', (_, reported) => {
    expect(checkResult(nodeCrypto, reported)).toBeNull();
  });

  const large = 'x'.repeat(1_048_575);
  const tooLarge = proofOf(free, large);
  it.each<[string, ReportedResult, string]>([
    ["another's receipt", { ...report(), from: carol.identity }, 'not the sender'],
    ['a receipt of another capsule', { ...report(), receipt: report({}, paid).receipt }, 'something else'],
    ['another status', { ...report(), status: 'failed' }, 'something else'],
    ['another capability', report({ receipt: { capabilityId: 'text.other' } }), 'another capability'],
    ['a lease of another capsule', { ...report(), lease: leaseOf(paid) }, 'another capsule'],
    ['a lease of another executor', report({ lease: { executor: carol.identity } }), 'another executor'],
    ['another epoch', report({ receipt: { epoch: 2 } }), 'another lease'],
    ['another lease', report({ receipt: { lease: 'ab'.repeat(32) } }), 'another lease'],
    ['no lease', report({ receipt: { lease: null } }), 'another lease'],
    ['another input', report({ receipt: { inputHash: 'ab'.repeat(32) } }), 'another input'],
    ['another result', { ...report(), result: { summary: 'A hen.' } }, 'not the one'],
    ['a result of a failure', { ...failed, result }, 'has no result'],
    ['a result that is no JSON', { ...report(), result: { at: new Date(0) } }, 'The result'],
    [
      'a result beyond its limit',
      { ...report(), receipt: tooLarge.receipt, lease: tooLarge.lease, result: large },
      '1048576 bytes',
    ],
    [
      'a start before the lease',
      report({ receipt: { startedAt: NOW + 4 - SKEW_MS } }),
      'begins before its lease',
    ],
    [
      'an end after the lease',
      report({ receipt: { finishedAt: NOW + 60_001 + SKEW_MS } }),
      'ends after its lease',
    ],
    ['an end before the start', report({ receipt: { finishedAt: NOW + 9 } }), 'ends before it begins'],
    ['a charge for what is free', report({ receipt: { charge: 1 } }), 'charges for what is free'],
    ['no charge for what is paid', report({ receipt: { charge: null } }, paid), 'what it charges'],
    ['a charge above the price', report({ receipt: { charge: 3 } }, paid), 'more than its lease'],
    [
      'a forged receipt',
      { ...report(), receipt: { ...report().receipt, nextStateRoot: 'ab'.repeat(32) } },
      'receiptHash',
    ],
    [
      'a receipt that another signed',
      { ...report(), receipt: { ...report().receipt, signature: '00'.repeat(64) } },
      'signature',
    ],
  ])('refuses %s', (_, reported, reason) => {
    expect(checkResult(nodeCrypto, reported)).toContain(reason);
  });
});
