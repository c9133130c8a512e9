import { describe, expect, it } from 'vitest';
import type { NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { continuesAtOrigin, deriveChild, untrustedPaths } from '../../../src/capsule/derive.ts';
import { restoreChild, spawnAtOrigin, spawnChild } from '../../../src/capsule/spawn.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { NOW, receiptOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, mallory } from '../../support/keys.ts';

const result = { summary: 'A fox.', words: ['fox'] };
const report: NextStep = {
  requestedCapability: 'report.create',
  payloadTemplate: { title: 'Report', body: { text: '$result.summary' } },
  next: [{ requestedCapability: 'data.store', payloadTemplate: { value: '$result' } }],
};
const notify: NextStep = {
  requestedCapability: 'notify.log',
  payloadTemplate: { message: '$result.words.0' },
  paymentRule: null,
  executionPolicy: { maxRetries: 1 },
};
const parent = rootCapsule({
  paymentRule: { type: 'credit', amount: 2 },
  executionPolicy: { timeout: 5000 },
  next: [report, notify],
});
const receipt = receiptOf(parent, result);
const source = { parent, step: 0, receipt, result };

describe('spawnChild', () => {
  it('makes a capsule that anyone can check, with the rules of the parent where the step has none', () => {
    const { capsule, untrusted } = spawnChild(nodeCrypto, source, bob.signer);
    expect(checkCapsule(nodeCrypto, capsule, { now: NOW })).toEqual({ ok: true, capsule });
    expect(capsule).toMatchObject({
      timestamp: receipt.finishedAt,
      originIdentity: alice.identity,
      requestedCapability: 'report.create',
      payload: { title: 'Report', body: { text: 'A fox.' } },
      paymentRule: parent.paymentRule,
      executionPolicy: parent.executionPolicy,
      privacyRule: 'public',
      next: report.next,
      chainDepth: 1,
      parentCapsule: parent.id,
      delegation: { spawner: bob.identity, step: 0 },
    });
    expect(untrusted).toEqual(['body.text']);
    expect(untrustedPaths(capsule)).toEqual(untrusted);
  });

  it("takes the step's own rules, null included", () => {
    const { capsule } = spawnChild(nodeCrypto, { ...source, step: 1 }, bob.signer);
    expect(capsule).toMatchObject({ paymentRule: null, executionPolicy: { maxRetries: 1 }, next: null });
  });

  it('gives the same capsule every time: spawning twice is spawning once', () => {
    expect(spawnChild(nodeCrypto, source, bob.signer)).toEqual(spawnChild(nodeCrypto, source, bob.signer));
  });

  it('goes on down to the depth limit, each child proving itself back to the root', () => {
    const step = (levels: number): NextStep => ({
      requestedCapability: 'text.stats',
      payloadTemplate: { text: '$result.text' },
      next: levels === 1 ? null : [step(levels - 1)],
    });
    let capsule = rootCapsule({ next: [step(5)] });
    for (let depth = 1; depth <= 5; depth++) {
      const text = { text: `depth ${depth}` };
      const source = { parent: capsule, step: 0, receipt: receiptOf(capsule, text), result: text };
      ({ capsule } = spawnChild(nodeCrypto, source, bob.signer));
      expect(checkCapsule(nodeCrypto, capsule, { now: NOW })).toEqual({ ok: true, capsule });
      expect(capsule.chainDepth).toBe(depth);
    }
    expect(capsule.next).toBeNull();
  });

  it.each([
    ['a step that is not there', { ...source, step: 2 }, bob, 'invalid_request'],
    ['another than the executor', source, mallory, 'invalid_request'],
    ['a result without what the template wants', { ...source, result: {} }, bob, 'template_path_missing'],
  ])('refuses %s', (_, wrong, by, code) => {
    expect(() => spawnChild(nodeCrypto, wrong, by.signer)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses a child that outgrows a capsule with the proof in it', () => {
    const large = { summary: 'x'.repeat(600_000) };
    const source = { parent, step: 0, receipt: receiptOf(parent, large), result: large };
    expect(() => spawnChild(nodeCrypto, source, bob.signer)).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });

  it('refuses a child that has expired before it exists', () => {
    const parent = rootCapsule({ executionPolicy: { expiresAt: NOW + 20 }, next: [report] });
    const source = { parent, step: 0, receipt: receiptOf(parent, result), result };
    expect(() => spawnChild(nodeCrypto, source, bob.signer)).toThrow(
      expect.objectContaining({ code: 'expired' }),
    );
  });
});

describe('spawnAtOrigin', () => {
  const kept = rootCapsule({ executionPolicy: { continueAt: 'origin' }, next: [report] });
  const keptSource = { parent: kept, step: 0, receipt: receiptOf(kept, result), result };

  it('is for what says so, and for all that is not public', () => {
    expect(continuesAtOrigin(parent)).toBe(false);
    expect(continuesAtOrigin(rootCapsule({ executionPolicy: { continueAt: 'executor' } }))).toBe(false);
    expect(continuesAtOrigin(kept)).toBe(true);
    expect(continuesAtOrigin(rootCapsule({ privacyRule: 'restricted' }))).toBe(true);
    expect(
      continuesAtOrigin(
        rootCapsule({ privacyRule: 'encrypted', executionPolicy: { continueAt: 'executor' } }),
      ),
    ).toBe(true);
  });

  it('signs with nothing of the parent but the derived payload', () => {
    const { capsule, untrusted } = spawnAtOrigin(nodeCrypto, keptSource, alice.signer);
    expect(checkCapsule(nodeCrypto, capsule, { now: NOW })).toEqual({ ok: true, capsule });
    expect(capsule).not.toHaveProperty('delegation');
    expect(capsule).toMatchObject({ parentCapsule: kept.id, chainDepth: 1, payload: { title: 'Report' } });
    expect(untrusted).toEqual(['body.text']);
  });

  it('refuses the executor, and refuses what the executor signs', () => {
    const refusal = expect.objectContaining({ code: 'invalid_request' });
    expect(() => spawnAtOrigin(nodeCrypto, keptSource, bob.signer)).toThrow(refusal);
    expect(() => spawnAtOrigin(nodeCrypto, source, alice.signer)).toThrow(refusal);
    expect(() => spawnChild(nodeCrypto, keptSource, bob.signer)).toThrow(refusal);
  });
});

describe('restoreChild', () => {
  const { capsule, untrusted } = spawnChild(nodeCrypto, source, bob.signer);
  const spawned = { step: 0, id: capsule.id, signature: capsule.signature };

  it('gives the whole child from its id and signature', () => {
    expect(restoreChild(nodeCrypto, source, spawned)).toEqual({ ok: true, capsule, untrusted });
    expect(deriveChild(nodeCrypto, source).id).toBe(capsule.id);
  });

  it.each([
    ['another step', source, { ...spawned, step: 1 }],
    ['a step that is not there', source, { ...spawned, step: 7 }],
    ['another id', source, { ...spawned, id: 'ab'.repeat(32) }],
    ['another signature', source, { ...spawned, signature: 'ab'.repeat(64) }],
    ['another result', { ...source, result: { ...result, summary: 'A hen.' } }, spawned],
    ['another receipt', { ...source, receipt: receiptOf(parent, result, { epoch: 2 }) }, spawned],
    ["another executor's receipt", { ...source, receipt: receiptOf(parent, result, {}, mallory) }, spawned],
    ['a result without what the template wants', { ...source, result: {} }, spawned],
  ])('refuses %s', (_, from, what) => {
    expect(restoreChild(nodeCrypto, from, what)).toMatchObject({
      ok: false,
      error: { code: 'delegation_invalid' },
    });
  });
});
