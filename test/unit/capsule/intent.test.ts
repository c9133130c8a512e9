import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { capsuleToIntent, inputHashOf, isUntrusted } from '../../../src/capsule/intent.ts';
import { readIntent } from '../../../src/engine/intent.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { childOf, NOW, proofOf, rootCapsule } from '../../support/documents.ts';
import { alice } from '../../support/keys.ts';

/** The intent of the next step with this template and result. */
function spawnedIntent(payloadTemplate: JsonObject, result: unknown) {
  const parent = rootCapsule({ next: [{ requestedCapability: 'report.create', payloadTemplate }] });
  return capsuleToIntent(childOf(proofOf(parent, result)));
}

describe('capsuleToIntent', () => {
  it('names the capsule, the capability and the origin', () => {
    const capsule = rootCapsule();
    expect(capsuleToIntent(capsule)).toEqual({
      capability: 'text.analyze',
      action: 'text.analyze',
      payload: { text: 'The quick brown fox.' },
      raw: `capsule:${capsule.id}`,
      timestamp: NOW,
      untrusted: [],
      origin: alice.identity,
    });
  });

  it.each<[string, JsonObject, string, JsonObject]>([
    ['action and text', { action: 'x.y', text: 'T', n: 1 }, 'x.y', { text: 'T', n: 1 }],
    ['action and other fields', { action: 'x.y', analysis: 1 }, 'x.y', { analysis: 1 }],
    ['an inner payload', { action: 'x.y', payload: { a: 1 }, text: 'T' }, 'x.y', { a: 1 }],
    ['an inner payload alone', { payload: {} }, 'text.analyze', {}],
    ['an inner payload that is text', { payload: 'P' }, 'text.analyze', { payload: 'P' }],
    ['an inner payload that is an array', { payload: [1] }, 'text.analyze', { payload: [1] }],
    ['an action that is no text', { action: 7, a: 1 }, 'text.analyze', { action: 7, a: 1 }],
    ['nothing', {}, 'text.analyze', {}],
  ])('reads %s', (_, payload, action, expected) => {
    expect(capsuleToIntent(rootCapsule({ payload }))).toMatchObject({ action, payload: expected });
  });

  it('tells what came from a result, in paths of the payload that the capability gets', () => {
    const result = { a: 'A', b: { c: 'C' } };
    expect(spawnedIntent({ text: '$result.a', note: 'plain' }, result).untrusted).toEqual(['text']);
    expect(spawnedIntent({ payload: { x: ['$result.b'] }, y: '$result.a' }, result).untrusted).toEqual([
      'x.0',
    ]);
  });

  it('takes every member of a payload that is a result for untrusted', () => {
    const intent = spawnedIntent({ payload: '$result' }, { a: 'A', b: 'B' });
    expect(intent).toMatchObject({ payload: { a: 'A', b: 'B' }, untrusted: ['a', 'b'] });
  });

  it('never lets a result choose the action', () => {
    const intent = spawnedIntent({ action: '$result.action', text: 'T' }, { action: 'data.delete' });
    expect(intent).toMatchObject({
      action: 'report.create',
      payload: { action: 'data.delete', text: 'T' },
      untrusted: ['action'],
    });
  });
});

describe('inputHashOf', () => {
  it.each<JsonObject>([{ text: 'T' }, { action: 'x.y', n: 1 }, { payload: { a: 1 }, text: 'T' }, {}])(
    'is what the engine puts in the receipt of %j',
    (payload) => {
      const capsule = rootCapsule({ payload });
      const read = readIntent(capsuleToIntent(capsule), nodeCrypto);
      expect(inputHashOf(nodeCrypto, capsule)).toBe(read.inputHash);
    },
  );
});

describe('isUntrusted', () => {
  it('covers what is beneath, and not what only begins alike', () => {
    expect(isUntrusted(['a.b'], 'a.b')).toBe(true);
    expect(isUntrusted(['a.b'], 'a.b.c.0')).toBe(true);
    expect(isUntrusted(['a.b'], 'a.bc')).toBe(false);
    expect(isUntrusted(['a.b'], 'a')).toBe(false);
    expect(isUntrusted([], 'a')).toBe(false);
  });
});
