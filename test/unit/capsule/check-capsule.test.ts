import { describe, expect, it } from 'vitest';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { checkCapsuleStructure, validateCapsule } from '../../../src/capsule/validate-capsule.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { NOW, rootCapsule } from '../../support/documents.ts';
import { nestedSteps } from '../../support/mutations.ts';

const at = { now: NOW };
const jsonDepth = 64;

describe('checkCapsule', () => {
  it('gives the very capsule', () => {
    const capsule = rootCapsule();
    expect(checkCapsule(nodeCrypto, capsule, at)).toEqual({ ok: true, capsule });
  });

  it('measures the canonical bytes, not characters, to the byte', () => {
    const capsule = rootCapsule({ payload: { text: 'Größe: 5 €, 😀' } });
    const size = Buffer.byteLength(canonicalJson(capsule));
    const within = { now: NOW, limits: { capsuleBytes: size, jsonDepth } };
    const beyond = { now: NOW, limits: { capsuleBytes: size - 1, jsonDepth } };
    expect(checkCapsule(nodeCrypto, capsule, within).ok).toBe(true);
    expect(checkCapsule(nodeCrypto, capsule, beyond)).toMatchObject({
      error: { code: 'too_large', detail: { size, limit: size - 1 } },
    });
  });

  it('takes a mebibyte and no more', () => {
    const overhead = Buffer.byteLength(canonicalJson(rootCapsule({ payload: { text: '' } })));
    const largest = rootCapsule({ payload: { text: 'x'.repeat(1_048_576 - overhead) } });
    const larger = rootCapsule({ payload: { text: 'x'.repeat(1_048_577 - overhead) } });
    expect(checkCapsule(nodeCrypto, largest, at).ok).toBe(true);
    expect(checkCapsule(nodeCrypto, larger, at)).toMatchObject({ error: { code: 'too_large' } });
  });

  it('takes what expires later and no timestamp from too far ahead', () => {
    const expiring = rootCapsule({ executionPolicy: { expiresAt: NOW + 5 } });
    expect(checkCapsule(nodeCrypto, expiring, { now: NOW + 4 }).ok).toBe(true);
    expect(checkCapsule(nodeCrypto, expiring, { now: NOW + 5 })).toMatchObject({
      error: { code: 'expired' },
    });
    expect(checkCapsule(nodeCrypto, rootCapsule(), { now: NOW - 300_000 }).ok).toBe(true);
    expect(checkCapsule(nodeCrypto, rootCapsule(), { now: NOW - 300_001 })).toMatchObject({
      error: { code: 'clock_skew', detail: { aheadMs: 300_001 } },
    });
  });

  const circle: Record<string, unknown> = { ...rootCapsule() };
  circle.payload = { circle };
  const hostile: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['text', 'capsule'],
    ['a function', () => 1],
    ['an empty object', {}],
    ['an array', []],
    ['a circle', circle],
    ['an instance', new (class Capsule {})()],
    ['a payload with a method', { ...rootCapsule(), payload: { toJSON: () => 'other' } }],
    ['a payload with a date', { ...rootCapsule(), payload: { at: new Date(0) } }],
    ['an undefined field', { ...rootCapsule(), lineage: undefined }],
    ['the prototype as its own name', { ...rootCapsule(), payload: JSON.parse('{"__proto__":{}}') }],
    ['inherited fields', Object.create(rootCapsule())],
  ];
  it.each(hostile)('refuses %s without throwing', (_, value) => {
    expect(checkCapsule(nodeCrypto, value, at)).toMatchObject({
      ok: false,
      error: { code: 'invalid_capsule' },
    });
    expect(validateCapsule(value, at)).toMatchObject({ ok: false, error: { code: 'invalid_capsule' } });
    expect(checkCapsuleStructure(value)).toMatchObject({ ok: false, error: { code: 'invalid_capsule' } });
  });

  it('refuses steps nested beyond all depth before anything recurses into them', () => {
    const next = nestedSteps(100_000);
    expect(checkCapsule(nodeCrypto, { ...rootCapsule(), next }, at)).toMatchObject({
      error: { code: 'invalid_capsule' },
    });
  });

  it('keeps its sentence short, however long the offence', () => {
    const value = { ...rootCapsule(), ['x'.repeat(100_000)]: 1 };
    const checked = checkCapsule(nodeCrypto, value, at);
    expect(checked.ok ? 'ok' : checked.error.message).toMatch(/^The capsule is not valid: .{1,200}\.$/);
  });
});

describe('validateCapsule', () => {
  it('needs no key: the signature is not looked at', () => {
    const capsule = { ...rootCapsule(), signature: '00'.repeat(64) };
    expect(validateCapsule(capsule, at)).toEqual({ ok: true, capsule });
  });

  it('checks the rules even where the structure has been checked before', () => {
    const capsule = rootCapsule({ paymentRule: { type: 'credit', amount: 0.0000001 } });
    expect(validateCapsule(capsule, { now: NOW, schemaChecked: true })).toMatchObject({
      error: {
        code: 'invalid_capsule',
        message: 'The capsule\'s "paymentRule.amount" has more than 6 decimals.',
      },
    });
  });
});
