import { childOf, proofOf, rootCapsule, settlementOf } from './documents.ts';
import { alice, bob, carol } from './keys.ts';
import type { Vectors } from './vector.ts';

const root = rootCapsule({
  executionPolicy: { continueAt: 'executor' },
  next: [{ requestedCapability: 'report.create', payloadTemplate: { body: '$result.summary' } }],
});
const proof = proofOf(root, { summary: 'A fox.' });
const { receipt, lease, result } = proof;
const child = childOf(proof);
const childLease = proofOf(child, {}, { coordinator: bob, executor: carol }).lease;
const capsuleId = root.id;
const data = { type: 'capsule_data', capsule: root, assignment: lease };
const told = { type: 'capsule_result', capsuleId, status: 'completed', receipt, assignment: lease };
const progress = { type: 'capsule_progress', capsuleId, epoch: 1, seq: 0, delta: 'The ', stage: 'reading' };
const decline = {
  type: 'capsule_decline',
  capsuleId,
  of: 'capsule_data',
  epoch: 1,
  code: 'busy',
  message: 'The node is busy.',
  detail: { queued: 16 },
  retryAfterMs: 500,
  load: 1.5,
};

/** What is said of a capsule. The other messages are written by hand. */
export function addMessages(vectors: Vectors): void {
  const put = (path: string, vector: object) => vectors.set(`messages/v1/vectors/${path}.json`, vector);
  const accept = (path: string, message: { type: string; [field: string]: unknown }, about = '') =>
    put(`valid/${path}`, {
      description: about === '' ? `A ${message.type} on the exchange stream` : about,
      channel: 'exchange',
      message,
    });
  const refuse = (path: string, code: string, description: string, message: object, channel = 'exchange') =>
    put(`invalid/${path}`, { description, code, channel, message });

  accept('02-capsule-data', data);
  accept('03-capsule-accept', { type: 'capsule_accept', capsuleId, of: 'order', epoch: 1 });
  accept('04-capsule-decline', decline);
  accept('05-capsule-progress', progress);
  const settlement = settlementOf(
    { receiptHash: receipt.receiptHash, amount: 2.5, payer: alice.identity, payee: bob.identity },
    alice,
  );
  accept('06-capsule-result', { ...told, result });
  accept('07-capsule-settlement', { type: 'capsule_settlement', capsuleId, settlement });
  accept('08-capsule-cancel', { type: 'capsule_cancel', capsuleId, epoch: 1 });
  accept('09-capsule-result-request', { type: 'capsule_result_request', capsuleId });
  accept('18-capsule-progress-request', { type: 'capsule_progress_request', capsuleId, epoch: 1, from: 3 });
  const proven = { ...data, capsule: child, proofs: [proof], assignment: childLease };
  accept('19-order-with-proofs', proven, 'A child that its executor signed, and the proof that it may');
  accept(
    '20-decline-with-winner',
    { ...decline, of: 'capsule_result', code: 'conflict', winner: { receipt, lease } },
    'Another execution was accepted, and this is it',
  );
  accept('21-result-for-a-coordinator', told, 'Who is not the submitter gets the receipt, not the result');
  accept(
    '22-decline-of-no-capsule',
    { ...decline, capsuleId: null, of: 'capsule_teleport' },
    'Of a message that named none',
  );
  accept(
    '23-cancel-of-any-lease',
    { type: 'capsule_cancel', capsuleId, epoch: 0 },
    'By who does not know the epoch',
  );

  refuse(
    '08-capsule-of-another-version',
    'unsupported_version',
    'The capsule is of a version of the future',
    { ...data, capsule: { ...root, version: 2 } },
  );
  refuse(
    '09-capsule-with-unknown-field',
    'invalid_capsule',
    'The message may say more, the capsule in it may not',
    { ...data, capsule: { ...root, priority: 1 } },
  );
  refuse('10-assignment-with-unknown-field', 'lease_invalid', 'Nor may the assignment', {
    ...data,
    assignment: { ...lease, priority: 1 },
  });
  refuse('11-receipt-with-unknown-field', 'invalid_receipt', 'Nor may the receipt', {
    ...told,
    receipt: { ...receipt, priority: 1 },
  });
  refuse('12-progress-negative-sequence', 'invalid_request', 'Sequence numbers count from 0', {
    ...progress,
    seq: -1,
  });
  refuse('14-data-in-gossip', 'unsupported_message', 'Orders are for the stream', data, 'gossip');
  refuse('19-proof-with-unknown-field', 'invalid_capsule', 'Nor may a parent in the proofs', {
    ...proven,
    proofs: [{ ...proof, parent: { ...root, priority: 1 } }],
  });
  refuse('20-six-proofs', 'invalid_request', 'More than a chain has links', {
    ...proven,
    proofs: new Array(6).fill(proof),
  });
  refuse('21-result-without-receipt', 'invalid_request', 'Nobody ran it, nobody tells of it', {
    ...told,
    receipt: null,
  });
  refuse('22-result-without-lease', 'invalid_request', 'Under which it ran', { ...told, assignment: null });
  refuse('23-detail-too-large', 'invalid_request', '4,097 bytes of JSON', {
    ...decline,
    detail: 'x'.repeat(4_095),
  });
  refuse('24-accept-of-nothing', 'invalid_request', 'It does not say what is accepted', {
    type: 'capsule_accept',
    capsuleId,
    epoch: 1,
  });
  refuse('25-decline-of-nothing', 'invalid_request', 'It does not say what is declined', {
    ...decline,
    of: undefined,
  });
}
