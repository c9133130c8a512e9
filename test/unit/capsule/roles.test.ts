import { describe, expect, it } from 'vitest';
import type { ExecutionPolicy, NextStep, PaymentRule } from '../../../protocols/capsule/v1/schema.ts';
import {
  chargesByPrice,
  continuesAt,
  expiryOf,
  needsSignedLease,
  submitterOf,
} from '../../../src/capsule/roles.ts';
import { validateCapsule } from '../../../src/capsule/validate-capsule.ts';
import { childOf, NOW, proofOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, carol } from '../../support/keys.ts';

const DAY_MS = 86_400_000;
const paid: PaymentRule = { type: 'credit', amount: 1 };
const atExecutor: ExecutionPolicy = { continueAt: 'executor' };
const free: NextStep = { requestedCapability: 'a.b', payloadTemplate: {} };
const withPaidStep: NextStep = { ...free, next: [{ ...free, paymentRule: paid }] };

describe('a capsule ends', () => {
  it.each([
    ['7 days after its timestamp', null, 7 * DAY_MS],
    ['when it says, up to 30 days after', { expiresAt: NOW + 30 * DAY_MS }, 30 * DAY_MS],
  ])('%s', (_, executionPolicy, after) => {
    const capsule = rootCapsule({ executionPolicy });
    expect(expiryOf(capsule)).toBe(NOW + after);
    expect(validateCapsule(capsule, { now: NOW + after - 1 }).ok).toBe(true);
    expect(validateCapsule(capsule, { now: NOW + after })).toMatchObject({ error: { code: 'expired' } });
  });

  it('and may not say that it does later', () => {
    const capsule = rootCapsule({ executionPolicy: { expiresAt: NOW + 30 * DAY_MS + 1 } });
    expect(validateCapsule(capsule, { now: NOW })).toMatchObject({ error: { code: 'invalid_capsule' } });
  });
});

describe('the submitter', () => {
  const elsewhere = { submitter: carol.identity };

  it('is the origin, or whom its policy names', () => {
    expect(submitterOf(rootCapsule())).toBe(alice.identity);
    expect(submitterOf(rootCapsule({ executionPolicy: elsewhere }))).toBe(carol.identity);
  });

  it.each([
    ['the capsule', { paymentRule: paid }],
    ['a step below', { next: [withPaidStep] }],
  ])('is nobody else where %s is paid', (_, options) => {
    const named = (submitter: string) => rootCapsule({ ...options, executionPolicy: { submitter } });
    expect(validateCapsule(named(alice.identity), { now: NOW }).ok).toBe(true);
    expect(validateCapsule(named(carol.identity), { now: NOW })).toMatchObject({
      error: { code: 'invalid_capsule' },
    });
  });

  it('is not for a step to name', () => {
    const step = { ...free, executionPolicy: elsewhere };
    const capsule = { ...rootCapsule(), next: [{ ...free, next: [step] }] };
    expect(validateCapsule(capsule, { now: NOW })).toMatchObject({
      error: { code: 'invalid_capsule', message: expect.stringContaining('"submitter"') },
    });
  });
});

describe('continuesAt', () => {
  it.each([
    ['submitter', 'nothing asks for else', {}],
    ['submitter', 'the policy says so', { executionPolicy: { continueAt: 'submitter' } }],
    ['executor', 'the policy asks for it', { executionPolicy: atExecutor }],
    ['submitter', 'it is restricted', { executionPolicy: atExecutor, privacyRule: 'restricted' }],
    ['submitter', 'it is encrypted', { executionPolicy: atExecutor, privacyRule: 'encrypted' }],
    ['submitter', 'it is paid', { executionPolicy: atExecutor, paymentRule: paid }],
    ['submitter', 'a step below is paid', { executionPolicy: atExecutor, next: [free, withPaidStep] }],
    [
      'executor',
      'steps say that they are not',
      { executionPolicy: atExecutor, next: [{ ...free, paymentRule: null }] },
    ],
  ] as const)('is the %s where %s', (who, _, options) => {
    expect(continuesAt(rootCapsule({ ...options, next: 'next' in options ? [...options.next] : null }))).toBe(
      who,
    );
  });
});

describe('a lease', () => {
  const chain = rootCapsule({ executionPolicy: atExecutor, next: [free] });
  it.each([
    [false, 'of free work', rootCapsule({ next: [free] })],
    [true, 'of paid work', rootCapsule({ paymentRule: paid })],
    [true, 'of what its executor continues', chain],
    [false, 'of what nobody continues', rootCapsule({ executionPolicy: atExecutor })],
    [true, 'by another than the origin', rootCapsule({ executionPolicy: { submitter: carol.identity } })],
    [true, "of an executor's child", childOf(proofOf(chain, {}), bob)],
  ])('needs a signature: %s, %s', (needed, _, capsule) => {
    expect(needsSignedLease(capsule)).toBe(needed);
  });
});

it('earns the price only where the rule says so', () => {
  expect(chargesByPrice(rootCapsule())).toBe(false);
  expect(chargesByPrice(rootCapsule({ paymentRule: paid }))).toBe(false);
  expect(chargesByPrice(rootCapsule({ paymentRule: { ...paid, charge: 'amount' } }))).toBe(false);
  expect(chargesByPrice(rootCapsule({ paymentRule: { ...paid, charge: 'price' } }))).toBe(true);
});
