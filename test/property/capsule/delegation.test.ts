import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Capsule, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../../protocols/common/v1/limits.ts';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { hashJson, signHash } from '../../../src/capsule/signing.ts';
import { spawnChild } from '../../../src/capsule/spawn.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { NOW, receiptOf, rootCapsule } from '../../support/documents.ts';
import { bob, carol, type TestKey } from '../../support/keys.ts';
import { leavesOf, plain, replaceAt, valueAt } from '../../support/mutations.ts';

const store: NextStep = { requestedCapability: 'data.store', payloadTemplate: { value: '$result.markdown' } };
const report: NextStep = {
  requestedCapability: 'report.create',
  payloadTemplate: { title: 'T', body: '$result.summary', all: ['$result'] },
  executionPolicy: { timeout: 1000 },
  next: [store],
};

function spawn(parent: Capsule, result: JsonValue, by: TestKey): Capsule {
  const source = { parent, step: 0, receipt: receiptOf(parent, result, {}, by), result };
  return spawnChild(nodeCrypto, source, by.signer).capsule;
}

/** The executor signs anew what it has changed: all that a liar with a real receipt can do. */
function resign(capsule: JsonValue, by: TestKey): unknown {
  const { id: _, signature: __, ...rest } = { ...Object.fromEntries(Object.entries(capsule ?? {})) };
  const id = hashJson(nodeCrypto, rest);
  return { id, ...rest, signature: signHash(by.signer, DOMAINS.capsule, id) };
}

const root = rootCapsule({ paymentRule: { type: 'credit', amount: 2 }, next: [report, store] });
const child = spawn(root, { summary: 'A fox.', list: [1, null] }, bob);
const grandchild = spawn(child, { markdown: '# A fox' }, carol);
const spawned: [string, Capsule, TestKey][] = [
  ['child', child, bob],
  ['grandchild', grandchild, carol],
];

/** Values of every kind that any field of a capsule could be changed to. */
const replacement = fc.oneof(
  fc.constantFrom<JsonValue>(
    null,
    true,
    0,
    1,
    2,
    -1,
    NOW,
    '',
    'public',
    'restricted',
    'origin',
    {},
    [],
    [null],
  ),
  fc.constantFrom(bob.identity, carol.identity, bob.nodeId, root.id, child.id, 'data.store', '$result'),
  fc.integer(),
  fc.string(),
);

describe.each(spawned)('a delegated %s', (_, capsule, by) => {
  const original = plain(capsule);
  // The executor may make its own id and signature, and does.
  const leaves = leavesOf(original).filter(([name]) => name !== 'id' && name !== 'signature');

  it('is accepted as it is, also signed once more', () => {
    expect(checkCapsule(nodeCrypto, resign(original, by), { now: NOW })).toMatchObject({ ok: true });
  });

  it('is refused with anything in it changed, even by the executor who signs it anew', () => {
    fc.assert(
      fc.property(fc.array(replacement, { minLength: leaves.length, maxLength: leaves.length }), (values) => {
        for (const [index, path] of leaves.entries()) {
          const value = values[index] ?? null;
          if (canonicalJson(value) === canonicalJson(valueAt(original, path))) continue;
          const changed = resign(replaceAt(original, path, value), by);
          const checked = checkCapsule(nodeCrypto, changed, { now: NOW });
          if (checked.ok) throw new Error(`${path.join('.')} could be changed to ${JSON.stringify(value)}`);
        }
      }),
      { numRuns: 5 },
    );
  });

  it('is refused with any field added anywhere', () => {
    const objects = new Set(
      leaves.flatMap((path) => path.map((_, depth) => path.slice(0, depth).join('\n'))),
    );
    for (const key of objects) {
      const path = key === '' ? [] : key.split('\n');
      const object = valueAt(original, path);
      if (object === null || typeof object !== 'object' || Array.isArray(object)) continue;
      const changed = resign(replaceAt(original, path, { ...object, surprise: 1 }), by);
      expect(checkCapsule(nodeCrypto, changed, { now: NOW })).toMatchObject({ ok: false });
    }
  });
});

describe('whatever a result is', () => {
  it('its child proves itself, and says the same again', () => {
    const results = fc.record({ summary: fc.jsonValue(), other: fc.jsonValue() });
    fc.assert(
      fc.property(results, (made) => {
        const result = plain(made);
        fc.pre(!JSON.stringify(result).includes('__proto__') && !/\\ud[89a-f]/.test(JSON.stringify(result)));
        const once = spawn(root, result, bob);
        expect(checkCapsule(nodeCrypto, once, { now: NOW })).toMatchObject({ ok: true });
        expect(spawn(root, result, bob)).toEqual(once);
      }),
      { numRuns: 50 },
    );
  });
});
