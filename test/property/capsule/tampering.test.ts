import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyAssignment } from '../../../src/capsule/assignment.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { verifyReceipt } from '../../../src/capsule/receipt.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { canonicalJson, parseJson } from '../../../src/lib/json.ts';
import { childOf, NOW, proofOf, rootCapsule } from '../../support/documents.ts';

const limits = { maxBytes: 1e6, maxDepth: 64 };
const root = rootCapsule({
  payload: { text: 'Größe "5 €" \\ 😀', numbers: [0, 1.5, 1e21], action: 'text.analyze' },
  executionPolicy: { maxRetries: 2, continueAt: 'executor' },
  next: [{ requestedCapability: 'report.create', payloadTemplate: { body: '$result.summary' } }],
});
const proof = proofOf(root, { summary: 'A fox.' });
const { receipt, lease } = proof;
const child = childOf(proof);
const signatureRequired = true;

const documents: [string, unknown, (value: unknown) => boolean][] = [
  ['capsule', root, (value) => checkCapsule(nodeCrypto, value, { now: NOW }).ok],
  [
    'child of an executor',
    child,
    (value) => checkCapsule(nodeCrypto, value, { now: NOW, proofs: [proof] }).ok,
  ],
  ['lease', lease, (value) => verifyAssignment(nodeCrypto, value, { signatureRequired }).ok],
  ['receipt', receipt, (value) => verifyReceipt(nodeCrypto, value).ok],
];

/** Accepted means unchanged: a byte may differ where JSON writes one value in two ways. */
function isCaught(bytes: Uint8Array, original: string, accepts: (value: unknown) => boolean): boolean {
  try {
    const value = parseJson(bytes, limits);
    return canonicalJson(value) === original || !accepts(value);
  } catch (error) {
    return error instanceof MeshError && error.code === 'invalid_json';
  }
}

describe.each(documents)('a signed %s', (_, document, accepts) => {
  const original = canonicalJson(document);
  const bytes = new TextEncoder().encode(JSON.stringify(document));

  it('is accepted as it is', () => {
    expect(accepts(parseJson(bytes, limits))).toBe(true);
  });

  it('is refused with any one byte changed', () => {
    const masks = fc.uint8Array({ minLength: bytes.length, maxLength: bytes.length, min: 1 });
    fc.assert(
      fc.property(masks, (mask) => {
        for (const [index, bits] of mask.entries()) {
          const changed = bytes.slice();
          changed[index] = (changed[index] ?? 0) ^ bits;
          if (!isCaught(changed, original, accepts)) return false;
        }
        return true;
      }),
      { numRuns: 2 },
    );
  });

  it('is refused with any bytes left out or put in', () => {
    const cut = fc.record({
      at: fc.nat(bytes.length),
      drop: fc.nat(40),
      put: fc.uint8Array({ maxLength: 8 }),
    });
    fc.assert(
      fc.property(cut, ({ at, drop, put }) => {
        const changed = Uint8Array.of(...bytes.subarray(0, at), ...put, ...bytes.subarray(at + drop));
        return isCaught(changed, original, accepts);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused with two of its characters exchanged', () => {
    const pair = fc.tuple(fc.nat(bytes.length - 1), fc.nat(bytes.length - 1));
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const changed = bytes.slice();
        changed[a] = bytes[b] ?? 0;
        changed[b] = bytes[a] ?? 0;
        return isCaught(changed, original, accepts);
      }),
      { numRuns: 500 },
    );
  });
});
