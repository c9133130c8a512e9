import { describe, expect, it } from 'vitest';
import type { NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { deriveChild, signChild } from '../../../src/capsule/derive.ts';
import { hashJson } from '../../../src/capsule/signing.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { NOW, receiptOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, carol } from '../../support/keys.ts';

const DAY_MS = 86_400_000;
const result = { summary: 'A fox.', words: ['fox'] };
const report: NextStep = {
  requestedCapability: 'report.create',
  payloadTemplate: { title: 'Report', body: { text: '$result.summary' }, all: '$result.words' },
  next: [{ requestedCapability: 'data.store', payloadTemplate: { value: '$result' } }],
};
const notify: NextStep = {
  requestedCapability: 'notify.log',
  payloadTemplate: { message: '$result.words.0' },
  paymentRule: null,
  executionPolicy: { maxRetries: 1 },
};
const plainStep: NextStep = { requestedCapability: 'text.stats', payloadTemplate: {}, executionPolicy: null };
const parent = rootCapsule({
  paymentRule: { type: 'credit', amount: 2, charge: 'price' },
  executionPolicy: { timeout: 5000, continueAt: 'executor' },
  next: [report, notify, plainStep],
});
const receipt = receiptOf(parent, result);
const source = { parent, step: 0, receipt, result };
const childAt = (step: number) => deriveChild(nodeCrypto, { ...source, step }).unsigned;

describe('deriveChild', () => {
  it('gives every field from parent, step, receipt and result', () => {
    expect(childAt(0)).toEqual({
      version: 1,
      timestamp: receipt.finishedAt,
      originIdentity: alice.identity,
      requestedCapability: 'report.create',
      payload: { title: 'Report', body: { text: 'A fox.' }, all: ['fox'] },
      paymentRule: parent.paymentRule,
      privacyRule: 'public',
      executionPolicy: { timeout: 5000, continueAt: 'executor', expiresAt: NOW + 7 * DAY_MS },
      next: report.next,
      chainDepth: 1,
      parentCapsule: parent.id,
      lineage: {
        step: 0,
        parent: parent.id,
        receipt: receipt.receiptHash,
        result: hashJson(nodeCrypto, result),
        paths: ['all', 'body.text'],
      },
    });
  });

  it("takes the step's own rules, and none of the parent's where it says null", () => {
    expect(childAt(1)).toMatchObject({ paymentRule: null, next: null });
    expect(childAt(1).executionPolicy).toEqual({ maxRetries: 1, expiresAt: NOW + 7 * DAY_MS });
    expect(childAt(2).executionPolicy).toEqual({ expiresAt: NOW + 7 * DAY_MS });
  });

  it('keeps the submitter that the parent names, whatever policy a step has', () => {
    const kept = rootCapsule({ executionPolicy: { submitter: carol.identity }, next: [notify, plainStep] });
    for (const step of [0, 1]) {
      const { unsigned } = deriveChild(nodeCrypto, { ...source, parent: kept, step });
      expect(unsigned.executionPolicy).toMatchObject({ submitter: carol.identity });
    }
  });

  it.each([
    ['no later than its parent', NOW + 1000, NOW + 9000, NOW + 1000],
    ['sooner where the step says so', NOW + 9000, NOW + 1000, NOW + 1000],
    ['when its parent does where it says nothing', NOW + 9000, undefined, NOW + 9000],
    ['no later than a default lifetime of its parent', undefined, NOW + 20 * DAY_MS, NOW + 7 * DAY_MS],
  ])('ends %s', (_, ofParent, ofStep, expected) => {
    const policy = ofStep === undefined ? {} : { expiresAt: ofStep };
    const ending = rootCapsule({
      executionPolicy: ofParent === undefined ? null : { expiresAt: ofParent },
      next: [{ ...notify, executionPolicy: policy }],
    });
    const { unsigned } = deriveChild(nodeCrypto, { ...source, parent: ending });
    expect(unsigned.executionPolicy?.expiresAt).toBe(expected);
  });

  it('gives a capsule that may live so long even where the clocks of its makers differ', () => {
    const longest = rootCapsule({ executionPolicy: { expiresAt: NOW + 30 * DAY_MS }, next: [report] });
    const early = receiptOf(longest, result, { startedAt: NOW - 200_000, finishedAt: NOW - 100_000 });
    const child = signChild(nodeCrypto, { ...source, parent: longest, receipt: early }, alice.signer);
    expect(child.executionPolicy?.expiresAt).toBe(NOW + 30 * DAY_MS - 100_000);
  });

  it('gives the same id in whatever order a template has its members', () => {
    const members = Object.entries(report.payloadTemplate).reverse();
    const turned = { ...parent, next: [{ ...report, payloadTemplate: Object.fromEntries(members) }] };
    expect(deriveChild(nodeCrypto, { ...source, parent: turned }).id).toBe(
      deriveChild(nodeCrypto, source).id,
    );
  });

  it('gives equal steps of one parent ids of their own', () => {
    const twins = rootCapsule({ next: [notify, notify] });
    const ids = [0, 1].map((step) => deriveChild(nodeCrypto, { ...source, parent: twins, step }).id);
    expect(new Set(ids).size).toBe(2);
  });

  it.each([
    ['a step that is not there', { ...source, step: 3 }, 'invalid_request'],
    ['a result without what the template wants', { ...source, result: {} }, 'template_path_missing'],
    ['no result', { ...source, step: 2, result: undefined }, 'invalid_json'],
  ])('refuses %s', (_, wrong, code) => {
    expect(() => deriveChild(nodeCrypto, wrong)).toThrow(expect.objectContaining({ code }));
  });
});

describe('signChild', () => {
  it('signs as the origin with nothing to prove', () => {
    const child = signChild(nodeCrypto, source, alice.signer);
    expect(child).not.toHaveProperty('signer');
    expect(checkCapsule(nodeCrypto, child, { now: NOW })).toEqual({ ok: true, capsule: child });
  });

  it('names anybody else who signs, and the id is the same', () => {
    const children = [alice, bob, carol].map(({ signer }) => signChild(nodeCrypto, source, signer));
    expect(children.map(({ signer }) => signer)).toEqual([undefined, bob.identity, carol.identity]);
    expect(new Set(children.map(({ id }) => id)).size).toBe(1);
  });

  it('goes on down to the depth limit', () => {
    const step = (levels: number): NextStep => ({
      requestedCapability: 'text.stats',
      payloadTemplate: { text: '$result.text' },
      next: levels === 1 ? null : [step(levels - 1)],
    });
    let capsule = rootCapsule({ next: [step(5)] });
    for (let depth = 1; depth <= 5; depth++) {
      const text = { text: `depth ${depth}` };
      const grown = { parent: capsule, step: 0, receipt: receiptOf(capsule, text), result: text };
      capsule = signChild(nodeCrypto, grown, alice.signer);
      expect(checkCapsule(nodeCrypto, capsule, { now: NOW })).toEqual({ ok: true, capsule });
      expect(capsule.chainDepth).toBe(depth);
    }
    expect(capsule.next).toBeNull();
  });

  it('refuses a child that outgrows a capsule', () => {
    const twice = { requestedCapability: 'a.b', payloadTemplate: { a: '$result.t', b: 'x'.repeat(600_000) } };
    const grown = rootCapsule({ next: [twice] });
    const large = { t: 'x'.repeat(600_000) };
    expect(() =>
      signChild(
        nodeCrypto,
        { parent: grown, step: 0, receipt: receiptOf(grown, large), result: large },
        alice.signer,
      ),
    ).toThrow(expect.objectContaining({ code: 'too_large' }));
  });

  it('refuses a child that has expired before it exists', () => {
    const ending = rootCapsule({ executionPolicy: { expiresAt: NOW + 20 }, next: [report] });
    expect(() => signChild(nodeCrypto, { ...source, parent: ending }, alice.signer)).toThrow(
      expect.objectContaining({ code: 'expired' }),
    );
  });
});
