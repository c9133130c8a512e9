import { describe, expect, it } from 'vitest';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import {
  MESSAGE_JSON_DEPTH,
  parseExchangeMessage,
  parseGossip,
  wireError,
} from '../../../src/capsule/messages.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { parseJson } from '../../../src/lib/json.ts';
import { NOW, proofOf, rootCapsule } from '../../support/documents.ts';
import { bob } from '../../support/keys.ts';
import { nestedSteps } from '../../support/mutations.ts';

const dataOf = (capsule: unknown) => ({ type: 'capsule_data', capsule });
const declineOf = (detail: unknown) => ({
  type: 'capsule_decline',
  capsuleId: null,
  of: 'capsule_data',
  code: 'busy',
  message: 'Full.',
  detail,
  load: 1,
});
const executed = proofOf(rootCapsule({ next: [{ requestedCapability: 'a.b', payloadTemplate: {} }] }), {});

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

  it('refuses steps nested beyond all depth before anything recurses into them', () => {
    const message = dataOf({ ...rootCapsule(), next: nestedSteps(100_000) });
    expect(parseExchangeMessage(message)).toMatchObject({ error: { code: 'invalid_request' } });
  });

  it('leaves the signature to checkCapsule', () => {
    const parsed = parseExchangeMessage(dataOf({ ...rootCapsule(), signature: '00'.repeat(64) }));
    expect(parsed).toMatchObject({ ok: true });
  });

  it('takes what a capsule at its own depth limit is proven by', () => {
    const deep: unknown = JSON.parse('['.repeat(62) + ']'.repeat(62));
    const parent = rootCapsule({ payload: JSON.parse(JSON.stringify({ deep })) });
    const message = { ...dataOf(rootCapsule()), proofs: [{ ...executed, parent }] };
    const limits = { maxBytes: 1e6, maxDepth: MESSAGE_JSON_DEPTH };
    expect(parseExchangeMessage(parseJson(JSON.stringify(message), limits))).toMatchObject({ ok: true });
  });

  it('tells what to decline, where it can', () => {
    const id = 'ab'.repeat(32);
    const unknown = { type: 'capsule_teleport', capsuleId: id };
    expect(parseExchangeMessage(unknown)).toMatchObject({ of: 'capsule_teleport', capsuleId: id });
    expect(parseExchangeMessage(dataOf({ id }))).toMatchObject({
      of: 'capsule_data',
      capsuleId: id,
      error: { code: 'invalid_capsule' },
    });
    for (const capsuleId of ['ab', `${id}ab`, id.toUpperCase(), 7])
      expect(parseExchangeMessage({ ...unknown, capsuleId })).toMatchObject({ capsuleId: null });
    expect(parseExchangeMessage(null)).toMatchObject({ of: '', capsuleId: null });
    const long = parseExchangeMessage({ type: `${'x'.repeat(63)}😀` });
    expect(long).toMatchObject({ of: `${'x'.repeat(63)}\ufffd` });
  });

  it('tells what is wrong with a document in its own code, wherever the message has it', () => {
    const proven = (proof: object) => ({ ...dataOf(rootCapsule()), proofs: [executed, proof] });
    const winner = (shown: object) => ({ ...declineOf({}), winner: shown });
    const { parent, lease, receipt } = executed;
    for (const [message, code] of [
      [proven({ ...executed, parent: { ...parent, surprise: 1 } }), 'invalid_capsule'],
      [proven({ ...executed, lease: { ...lease, surprise: 1 } }), 'lease_invalid'],
      [proven({ ...executed, receipt: { ...receipt, surprise: 1 } }), 'invalid_receipt'],
      [winner({ lease, receipt: { ...receipt, surprise: 1 } }), 'invalid_receipt'],
      [winner({ receipt, lease: { ...lease, surprise: 1 } }), 'lease_invalid'],
      [proven({ parent, lease, receipt }), 'invalid_request'],
      [{ ...dataOf(rootCapsule()), proofs: new Array(6).fill(executed) }, 'invalid_request'],
    ])
      expect(parseExchangeMessage(message)).toMatchObject({ ok: false, error: { code } });
  });

  it('bounds the detail of an error by its bytes', () => {
    const largest = 'é'.repeat(2047);
    expect(parseExchangeMessage(declineOf(largest))).toMatchObject({ ok: true });
    expect(parseExchangeMessage(declineOf(`${largest}e`))).toMatchObject({
      error: { code: 'invalid_request' },
    });
    const { receipt, lease: assignment } = executed;
    const result = (detail: string) => ({
      type: 'capsule_result',
      capsuleId: receipt.capsuleId,
      status: 'failed',
      error: { code: 'timeout', message: 'Slow.', detail },
      receipt,
      assignment,
    });
    expect(parseExchangeMessage(result(largest))).toMatchObject({ ok: true });
    expect(parseExchangeMessage(result(`${largest}e`))).toMatchObject({ error: { code: 'invalid_request' } });
  });

  it.each(['receipt', 'assignment'])('takes no result without its %s', (field) => {
    const { receipt, lease: assignment } = executed;
    const message = { type: 'capsule_result', capsuleId: receipt.capsuleId, status: 'completed' };
    expect(parseExchangeMessage({ ...message, receipt, assignment })).toMatchObject({ ok: true });
    expect(parseExchangeMessage({ ...message, receipt, assignment, [field]: null })).toMatchObject({
      error: { code: 'invalid_request' },
    });
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf'])(
    'does not know the type %s',
    (type) => {
      expect(parseExchangeMessage({ type })).toMatchObject({
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

describe('wireError', () => {
  it('leaves out a detail that no receiver takes, and cuts a sentence without breaking a character', () => {
    const error = { code: 'busy', message: `${'x'.repeat(511)}😀`, detail: 'é'.repeat(2048) } as const;
    expect(wireError(error)).toEqual({ code: 'busy', message: `${'x'.repeat(511)}\ufffd` });
    expect(wireError({ ...error, detail: { n: 1 } })).toMatchObject({ detail: { n: 1 } });
    expect(wireError({ code: 'busy', message: 'Full.' })).toEqual({ code: 'busy', message: 'Full.' });
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
