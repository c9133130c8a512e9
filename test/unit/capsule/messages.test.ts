import { describe, expect, it } from 'vitest';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { MESSAGE_JSON_DEPTH, parseExchangeMessage, parseGossip } from '../../../src/capsule/messages.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { parseJson } from '../../../src/lib/json.ts';
import { NOW, rootCapsule } from '../../support/documents.ts';
import { bob } from '../../support/keys.ts';

const dataOf = (capsule: unknown) => ({ type: 'capsule_data', exchangeId: 'e1', capsule });

describe('parseExchangeMessage', () => {
  it('takes what a capsule at its own depth limit travels in', () => {
    const deep: unknown = JSON.parse('['.repeat(62) + ']'.repeat(62));
    const capsule = rootCapsule({ payload: JSON.parse(JSON.stringify({ deep })) });
    const limits = { maxBytes: 1e6, maxDepth: MESSAGE_JSON_DEPTH };
    const parsed = parseExchangeMessage(parseJson(JSON.stringify(dataOf(capsule)), limits));
    expect(parsed).toMatchObject({ ok: true });
    if (!parsed.ok || parsed.message.type !== 'capsule_data') return;
    expect(checkCapsule(nodeCrypto, parsed.message.capsule, { now: NOW, schemaChecked: true }).ok).toBe(true);
  });

  it('leaves the signature to checkCapsule', () => {
    const parsed = parseExchangeMessage(dataOf({ ...rootCapsule(), signature: '00'.repeat(64) }));
    expect(parsed).toMatchObject({ ok: true });
  });

  it('tells which exchange to answer, where it can', () => {
    const unknown = { type: 'capsule_teleport', exchangeId: 'e1' };
    expect(parseExchangeMessage(unknown)).toMatchObject({ exchangeId: 'e1' });
    expect(parseExchangeMessage(dataOf({}))).toMatchObject({
      exchangeId: 'e1',
      error: { code: 'invalid_capsule' },
    });
    expect(parseExchangeMessage({ ...unknown, exchangeId: 'x'.repeat(65) })).toMatchObject({
      exchangeId: null,
    });
    expect(parseExchangeMessage({ ...unknown, exchangeId: 7 })).toMatchObject({ exchangeId: null });
    expect(parseExchangeMessage(null)).toMatchObject({ exchangeId: null });
  });

  it('blames the message, not the documents, where those are in order', () => {
    expect(parseExchangeMessage({ ...dataOf(rootCapsule()), exchangeId: '' })).toMatchObject({
      error: { code: 'invalid_request' },
    });
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf'])(
    'does not know the type %s',
    (type) => {
      expect(parseExchangeMessage({ type, exchangeId: 'e' })).toMatchObject({
        error: { code: 'unsupported_message' },
      });
      expect(parseGossip({ type })).toMatchObject({ error: { code: 'unsupported_message' } });
    },
  );

  it('keeps its sentence short, however long the type', () => {
    const parsed = parseExchangeMessage({ type: 'x'.repeat(10_000) });
    expect(parsed.ok ? 0 : parsed.error.message.length).toBeLessThan(150);
  });
});

describe('parseGossip', () => {
  it('takes an advertisement without an exchange', () => {
    const message = {
      type: 'capability_advertisement',
      nodeId: bob.nodeId,
      encryptionKey: null,
      capabilities: [],
      sequence: 1,
      timestamp: NOW,
    };
    expect(parseGossip(message)).toEqual({ ok: true, message });
    expect(parseExchangeMessage(message)).toMatchObject({ error: { code: 'invalid_request' } });
  });
});
