import { describe, expect, it } from 'vitest';
import { DOMAINS, type Domain, LIMITS } from '../../../protocols/common/v1/limits.ts';
import { verifyAssignment } from '../../../src/capsule/assignment.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { parseManifest } from '../../../src/capsule/manifest.ts';
import { parseExchangeMessage, parseGossip } from '../../../src/capsule/messages.ts';
import type { Refused } from '../../../src/capsule/outcome.ts';
import { verifyReceipt } from '../../../src/capsule/receipt.ts';
import { verifySettlement } from '../../../src/capsule/settlement.ts';
import { signHash } from '../../../src/capsule/signing.ts';
import { nobleCrypto } from '../../../src/lib/crypto-noble.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { MeshError, toErrorBody } from '../../../src/lib/errors.ts';
import { fromHex, toHex } from '../../../src/lib/hex.ts';
import { canonicalJson, parseJson } from '../../../src/lib/json.ts';
import * as keys from '../../support/keys.ts';
import {
  loadVectors,
  objectOf,
  readProtocolFile,
  type Vector,
  type VectorKind,
} from '../../support/vectors.ts';
import { addAssignments } from '../../vectors/protocol/assignments.ts';
import { addCapsules } from '../../vectors/protocol/capsules.ts';
import { addMessages } from '../../vectors/protocol/messages.ts';
import type { Vectors } from '../../vectors/protocol/vector.ts';

type Judge = (vector: Vector) => { ok: true } | Refused;

/** A capsule vector holds the value, the text, or the bytes in hex. */
function checkCapsuleVector(vector: Vector): { ok: true } | Refused {
  const limits = { ...LIMITS, ...(vector.limits === undefined ? {} : objectOf(vector.limits)) };
  try {
    return checkCapsule(nodeCrypto, capsuleIn(vector), { ...proofsIn(vector), now: vector.now ?? 0, limits });
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return { ok: false, error: toErrorBody(error) };
  }
}

function capsuleIn(vector: Vector): unknown {
  const limits = { maxBytes: LIMITS.capsuleBytes, maxDepth: LIMITS.jsonDepth };
  if (typeof vector.text === 'string') return parseJson(vector.text, limits);
  if (typeof vector.hex === 'string') return parseJson(fromHex(vector.hex), limits);
  return vector.capsule;
}

/** What is in a vector is hostile: the check is what is under test. */
const proofsIn = ({ proofs }: Vector) => (proofs === undefined ? {} : { proofs: Object(proofs) });

const judges: Record<VectorKind, Judge> = {
  capsule: checkCapsuleVector,
  receipt: (vector) => verifyReceipt(nodeCrypto, vector.receipt),
  assignment: (vector) => verifyAssignment(nodeCrypto, vector.assignment, { signatureRequired: true }),
  settlement: (vector) => verifySettlement(nodeCrypto, vector.settlement),
  manifest: (vector) => parseManifest(vector.manifest),
  messages: (vector) =>
    vector.channel === 'gossip' ? parseGossip(vector.message) : parseExchangeMessage(vector.message),
};
const kinds: VectorKind[] = ['capsule', 'receipt', 'assignment', 'settlement', 'manifest', 'messages'];

describe.each(kinds)('vectors of %s', (kind) => {
  it.each(loadVectors(kind, 'valid'))('accepts $name: $description', (vector) => {
    expect(judges[kind](vector)).toMatchObject({ ok: true });
  });

  it.each(loadVectors(kind, 'invalid'))('refuses $name with $code: $description', (vector) => {
    const judged = judges[kind](vector);
    expect(judged).toMatchObject({ ok: false, error: { code: vector.code } });
    expect(judged.ok ? '' : judged.error.message).toMatch(/^[A-Z].*\.$/s);
  });
});

/** The fields that the hash does not cover; the first of several is the hash itself. */
const signedKinds: [kind: VectorKind, domain: Domain, uncovered: string[]][] = [
  ['capsule', DOMAINS.capsule, ['id', 'signer', 'signature']],
  ['receipt', DOMAINS.receipt, ['receiptHash', 'signature']],
  ['assignment', DOMAINS.assignment, ['signature']],
  ['settlement', DOMAINS.settlement, ['signature']],
];

describe.each(signedKinds)('signed vectors of %s', (kind, domain, uncovered) => {
  it.each(loadVectors(kind, 'valid'))(
    'have the canonical form, hash and signature that $name says',
    (vector) => {
      const document = objectOf(vector[kind]);
      const covered = Object.entries(document).filter(([field]) => !uncovered.includes(field));
      const canonical = canonicalJson(Object.fromEntries(covered));
      expect(canonical).toBe(vector.canonical);
      const hash = nodeCrypto.sha256Hex(canonical);
      const [hashField] = uncovered;
      if (uncovered.length > 1 && hashField !== undefined) expect(hash).toBe(document[hashField]);
      const key = new Map(Object.entries(keys)).get(vector.signer ?? '');
      expect(key && signHash(key.signer, domain, hash)).toBe(document.signature);
    },
  );
});

describe('vectors', () => {
  it('are as their script writes them', () => {
    const vectors: Vectors = new Map();
    for (const add of [addCapsules, addAssignments, addMessages]) add(vectors);
    for (const [path, vector] of vectors)
      expect(readProtocolFile(path), path).toEqual(JSON.parse(JSON.stringify(vector)));
  });

  it('name the keys of the tests', () => {
    expect(readProtocolFile('common/v1/vectors/keys.json')).toMatchObject({
      keys: Object.fromEntries(
        Object.entries(keys).map(([name, key]) => [
          name,
          { seed: toHex(key.seed), identity: key.identity, nodeId: key.nodeId },
        ]),
      ),
    });
  });

  it('are as many as promised', () => {
    expect(loadVectors('capsule', 'invalid').length).toBeGreaterThanOrEqual(25);
    expect(loadVectors('capsule', 'valid').length).toBeGreaterThanOrEqual(10);
  });

  it('get the same verdicts from the pure JavaScript implementation', () => {
    for (const vector of loadVectors('capsule', 'valid'))
      expect(
        checkCapsule(nobleCrypto, vector.capsule, { ...proofsIn(vector), now: vector.now ?? 0 }),
      ).toMatchObject({ ok: true });
    const forged = loadVectors('capsule', 'invalid').filter(({ code }) => code === 'invalid_signature');
    expect(forged.length).toBeGreaterThan(5);
    for (const vector of forged)
      expect(checkCapsule(nobleCrypto, vector.capsule, { now: vector.now ?? 0 })).toMatchObject({
        error: { code: 'invalid_signature' },
      });
  });
});
