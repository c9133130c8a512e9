import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Capsule, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../../protocols/common/v1/limits.ts';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { hashJson, signHash } from '../../../src/capsule/signing.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { childOf, NOW, proofOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, carol, mallory, type TestKey } from '../../support/keys.ts';
import { leavesOf, type Path, plain, replaceAt, valueAt } from '../../support/mutations.ts';

const store: NextStep = { requestedCapability: 'data.store', payloadTemplate: { value: '$result.markdown' } };
const report: NextStep = {
  requestedCapability: 'report.create',
  payloadTemplate: { title: 'T', body: '$result.summary', all: ['$result'] },
  executionPolicy: { timeout: 1000, continueAt: 'executor' },
  next: [store],
};
const root = rootCapsule({ executionPolicy: { continueAt: 'executor' }, next: [report, store] });
const first = proofOf(root, { summary: 'A fox.', list: [1, null] });
const child = childOf(first);
const second = proofOf(child, { markdown: '# A fox' }, { coordinator: bob, executor: carol });
const grandchild = childOf(second, carol);
const spawned: [string, Capsule, TestKey, Proof[]][] = [
  ['child', child, bob, [first]],
  ['grandchild', grandchild, carol, [first, second]],
];

const check = (capsule: unknown, proofs: unknown) =>
  checkCapsule(nodeCrypto, capsule, { now: NOW, proofs: Object(proofs) });

/** The executor signs anew what it has changed: all that a liar with a real receipt can do. */
function resign(capsule: JsonValue, by: TestKey): unknown {
  const { id: _, signer, signature: __, ...rest } = { ...Object.fromEntries(Object.entries(capsule ?? {})) };
  const id = hashJson(nodeCrypto, rest);
  return { id, ...rest, signer, signature: signHash(by.signer, DOMAINS.capsule, id) };
}

/** Values of every kind that any field could be changed to. */
const replacement = fc.oneof(
  fc.constantFrom<JsonValue>(null, true, 0, 1, 2, -1, NOW, '', 'public', 'submitter', {}, [], [null]),
  fc.constantFrom(bob.identity, carol.identity, bob.nodeId, root.id, child.id, 'data.store', '$result'),
  fc.integer(),
  fc.string(),
);

/** Each leaf changed in turn, to a value of its own. */
function everyChange(
  value: JsonValue,
  leaves: readonly Path[],
  judge: (changed: JsonValue, path: Path) => void,
) {
  fc.assert(
    fc.property(fc.array(replacement, { minLength: leaves.length, maxLength: leaves.length }), (values) => {
      for (const [index, path] of leaves.entries()) {
        const other = values[index] ?? null;
        if (canonicalJson(other) !== canonicalJson(valueAt(value, path)))
          judge(replaceAt(value, path, other), path);
      }
    }),
    { numRuns: 5 },
  );
}

function objectsIn(value: JsonValue, leaves: readonly Path[]): Path[] {
  const keys = new Set(leaves.flatMap((path) => path.map((_, depth) => path.slice(0, depth).join('\n'))));
  const paths = [...keys].map((key) => (key === '' ? [] : key.split('\n')));
  return paths.filter((path) => {
    const found = valueAt(value, path);
    return typeof found === 'object' && found !== null && !Array.isArray(found);
  });
}

describe.each(spawned)('a %s that its executor signed', (_, capsule, by, proofs) => {
  const original = plain(capsule);
  const shown = plain(proofs);
  // The executor may make its own id and signature, and does; another signer is refused by the signature.
  const leaves = leavesOf(original).filter(([name]) => !['id', 'signer', 'signature'].includes(name ?? ''));
  const proofLeaves = leavesOf(shown);

  it('is accepted as it is, also signed once more', () => {
    expect(check(resign(original, by), shown)).toMatchObject({ ok: true });
  });

  it('is refused with anything in it changed, even by the executor who signs it anew', () => {
    everyChange(original, leaves, (changed, path) => {
      if (check(resign(changed, by), shown).ok) throw new Error(`${path.join('.')} could be changed`);
    });
  });

  it('is refused with anything in its proofs changed', () => {
    everyChange(shown, proofLeaves, (changed, path) => {
      if (check(original, changed).ok) throw new Error(`${path.join('.')} could be changed`);
    });
  });

  it('is refused with any field added anywhere', () => {
    for (const path of objectsIn(original, leaves)) {
      const changed = replaceAt(original, path, { ...Object(valueAt(original, path)), surprise: 1 });
      expect(check(resign(changed, by), shown)).toMatchObject({ ok: false });
    }
  });

  it('is refused with any field added to a document of its proofs', () => {
    for (const path of objectsIn(shown, proofLeaves)) {
      // A proof itself is a part of a message, in which a newer node may say more.
      if (path.length < 2) continue;
      const changed = replaceAt(shown, path, { ...Object(valueAt(shown, path)), surprise: 1 });
      expect(check(original, changed)).toMatchObject({ ok: false });
    }
  });

  it('is refused in the name of anybody who did not run its parent', () => {
    for (const other of [alice, bob, carol, mallory]) {
      if (other === by || other === alice) continue;
      const signed = { ...Object(resign(original, other)), signer: other.identity };
      expect(check(signed, shown)).toMatchObject({ ok: false, error: { code: 'lineage_invalid' } });
    }
  });
});

describe('whatever a result is', () => {
  it('its child proves itself, and everybody makes the same', () => {
    const results = fc.record({ summary: fc.jsonValue(), other: fc.jsonValue() });
    fc.assert(
      fc.property(results, (made) => {
        const result = plain(made);
        fc.pre(!JSON.stringify(result).includes('__proto__') && !/\\ud[89a-f]/.test(JSON.stringify(result)));
        const proof = proofOf(root, result);
        const once = childOf(proof);
        expect(check(once, [proof])).toMatchObject({ ok: true });
        expect(childOf(plainProof(proof)).id).toBe(once.id);
        expect(childOf(proof, alice).id).toBe(once.id);
      }),
      { numRuns: 50 },
    );
  });
});

/** The same proof as another node has it, read from its bytes with the members in canonical order. */
function plainProof(proof: Proof): Proof {
  return JSON.parse(canonicalJson(proof));
}
