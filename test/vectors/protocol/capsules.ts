import type { Capsule, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import {
  childOf,
  DAY_MS,
  EXACT_PATHS,
  leaseOf,
  NOW,
  type Parties,
  proofOf,
  rootCapsule,
} from './documents.ts';
import { alice, bob, carol, mallory } from './keys.ts';
import { changed, invalid, type Vectors, valid } from './vector.ts';

const result = { summary: 'A fox.', keywords: ['fox', 'quick'] };
const store: NextStep = {
  requestedCapability: 'data.store',
  payloadTemplate: { value: '$result.markdown' },
  paymentRule: null,
  executionPolicy: null,
};
const report: NextStep = {
  requestedCapability: 'report.create',
  payloadTemplate: {
    action: 'report.create',
    title: 'Report',
    summary: '$result.summary',
    first: '$result.keywords.0',
    all: { nested: ['$result', 'plain', '$resultant'] },
  },
  next: [store],
};
const notify: NextStep = {
  requestedCapability: 'notify.log',
  payloadTemplate: { message: '$result.summary' },
  executionPolicy: { timeout: 1000 },
};
const executionPolicy = { maxRetries: 2, continueAt: 'executor' } as const;
const root = rootCapsule({ executionPolicy, next: [report, notify] });
const proof = proofOf(root, result);
const child = childOf(proof);
const second = proofOf(child, { markdown: '# A fox' }, { coordinator: bob, executor: carol });
const left = rootCapsule({ next: [report] });
const named = rootCapsule({ executionPolicy: { submitter: carol.identity }, next: [report] });
const byNamed = proofOf(named, result, { coordinator: carol });
const paidRoot = rootCapsule({
  paymentRule: { type: 'credit', amount: 3, charge: 'price' },
  next: [report, notify],
});
/** How far two clocks may differ. */
const SKEW_MS = 300_000;

/** Rules, and children that their origin signed or that come with proofs. */
export function addCapsules(vectors: Vectors): void {
  const put = (path: string, vector: object) => vectors.set(`capsule/v1/vectors/${path}.json`, vector);
  for (const [name, vector] of Object.entries(validOnes())) put(`valid/${name}`, vector);
  for (const [name, vector] of Object.entries({ ...brokenRules(), ...brokenProofs() }))
    put(`invalid/${name}`, vector);
}

function validOnes(): Record<string, object> {
  const inherited = proofOf(
    rootCapsule({ next: [{ requestedCapability: 'text.stats', payloadTemplate: prototypeNames() }] }),
    JSON.parse('{"constructor":"A","toString":{"length":"B"}}'),
  );
  return {
    '04-policy': valid(
      'Every field of the execution policy, at its limit where it has one',
      rootCapsule({
        executionPolicy: {
          maxRetries: 10,
          timeout: 86_400_000,
          preferredLocality: 'ring2',
          expiresAt: NOW + 1,
          atMostOnce: true,
          continueAt: 'submitter',
          submitter: bob.identity,
        },
      }),
    ),
    '14-child': valid(
      'The origin is the submitter, and signs the next step; rules inherited',
      childOf(proofOf(paidRoot, result), alice),
    ),
    '15-child-with-own-rules': valid(
      'Its step has a policy of its own',
      childOf(proofOf(paidRoot, result), alice, 1),
    ),
    '16-child-of-an-executor': valid('Bob, who executed the public parent, signed its next step', child, [
      proof,
    ]),
    '17-grandchild-of-executors': valid('Carol, whom Bob gave the child, went on', childOf(second, carol), [
      proof,
      second,
    ]),
    '18-taken-over': valid(
      'The same child as 16, signed by the origin instead: the id is the same',
      childOf(proof, alice),
    ),
    '19-child-of-another-submitter': valid(
      'Carol is the submitter of the chain, and proves the right to sign',
      childOf(byNamed, carol),
      [byNamed],
    ),
    '20-names-of-the-prototype': valid(
      'Names that objects inherit are plain names where the result has them as its own',
      childOf(inherited, alice),
    ),
    '21-many-paths': valid(
      'More than 256 paths from the result: the members of the payload that hold them',
      childOf(manyPaths(), alice),
    ),
    '22-longest-life': valid(
      'Expires 30 days after its timestamp',
      rootCapsule({ executionPolicy: { expiresAt: NOW + 30 * DAY_MS } }),
    ),
    '23-last-moment': valid(
      'One millisecond before the 7 days that it lives without an expiry are over',
      rootCapsule(),
      undefined,
      NOW + 7 * DAY_MS - 1,
    ),
    '24-charge-by-price': valid(
      'The amount is a ceiling',
      rootCapsule({ paymentRule: { type: 'credit', amount: 3, charge: 'price' } }),
    ),
  };
}

const prototypeNames = () => JSON.parse('{"a":"$result.constructor","valueOf":"$result.toString.length"}');

function manyPaths() {
  const payloadTemplate = { a: new Array(EXACT_PATHS).fill('$result.n'), b: '$result.n' };
  return proofOf(rootCapsule({ next: [{ requestedCapability: 'text.stats', payloadTemplate }] }), { n: 1 });
}

function brokenRules(): Record<string, object> {
  const refuse = (description: string, capsule: object, proofs?: object[]) =>
    invalid('invalid_capsule', description, capsule, proofs);
  const paid = { type: 'credit', amount: 1 } as const;
  const elsewhere = { submitter: carol.identity };
  const ofParent = childOf(proof, alice);
  return {
    '25-timestamp-ahead': invalid(
      'clock_skew',
      'One millisecond beyond the tolerated 5 minutes',
      rootCapsule(),
      undefined,
      NOW - SKEW_MS - 1,
    ),
    '42-continue-at-unknown': refuse(
      'Neither submitter nor executor',
      changed(root, { executionPolicy: { continueAt: 'origin' } }, alice),
    ),
    '55-charge-unknown': refuse(
      'Neither amount nor price',
      changed(root, { paymentRule: { ...paid, charge: 'tokens' } }, alice),
    ),
    '56-at-most-once-false': refuse(
      'Left out, not false, where the work may run twice',
      changed(root, { executionPolicy: { atMostOnce: false } }, alice),
    ),
    '57-submitter-of-paid-work': refuse(
      'Only the origin may settle',
      rootCapsule({ paymentRule: paid, executionPolicy: elsewhere }),
    ),
    '58-submitter-of-a-paid-step': refuse(
      'The same, in a step of a step',
      rootCapsule({
        executionPolicy: elsewhere,
        next: [{ ...notify, next: [{ ...notify, paymentRule: paid }] }],
      }),
    ),
    '59-submitter-in-a-step': refuse(
      'The submitter of a chain is its root to name',
      changed(root, { next: [{ ...notify, executionPolicy: elsewhere }] }, alice),
    ),
    '60-lives-too-long': refuse(
      'One millisecond more than 30 days',
      rootCapsule({ executionPolicy: { expiresAt: NOW + 30 * DAY_MS + 1 } }),
    ),
    '61-over': invalid(
      'expired',
      'Without an expiry of its own it ends after 7 days',
      rootCapsule(),
      undefined,
      NOW + 7 * DAY_MS,
    ),
    '62-signer-without-lineage': refuse(
      'Only what was spawned can be signed by another',
      { ...root, signer: bob.identity, signature: child.signature },
      [proof],
    ),
    '63-signer-is-the-origin': refuse('The origin is left out', { ...ofParent, signer: alice.identity }),
    '64-lineage-of-another-parent': refuse(
      '"parentCapsule" and lineage disagree',
      changed(ofParent, { parentCapsule: left.id }, alice),
    ),
    '65-unknown-field-in-lineage': refuse(
      'A lineage says no more',
      changed(ofParent, { lineage: { ...ofParent.lineage, spawner: bob.identity } }, alice),
    ),
    '66-too-many-paths': refuse(
      '257 paths',
      changed(ofParent, { lineage: { ...ofParent.lineage, paths: new Array(257).fill('a') } }, alice),
    ),
  };
}

function brokenProofs(): Record<string, object> {
  const refuse = (description: string, capsule: object, proofs?: object[]) =>
    invalid('lineage_invalid', description, capsule, proofs);
  const ran = (parties: Parties, parent: Capsule = root) => proofOf(parent, result, parties);
  const shown = (description: string, proven: ReturnType<typeof ran>, by = bob) =>
    refuse(description, childOf(proven, by), [proven]);
  const altered = (description: string, change: object) =>
    refuse(description, changed(child, change, bob), [proof]);
  const { signature: _, ...unsigned } = proof.lease;
  const stolen = proofOf(child, { markdown: '#' }, { coordinator: mallory, executor: mallory });
  const restricted = rootCapsule({ executionPolicy, privacyRule: 'restricted', next: [report] });
  const paid = rootCapsule({
    executionPolicy,
    next: [report, { ...notify, paymentRule: { type: 'credit', amount: 1 } }],
  });
  return {
    '70-without-proofs': refuse('Signed by another than its origin, and nothing to prove it', child),
    '71-half-the-proofs': refuse('They do not begin at what the origin signed', childOf(second, carol), [
      second,
    ]),
    '72-too-many-proofs': refuse('More than a chain has links', child, new Array(6).fill(proof)),
    '73-leased-by-its-executor': shown(
      'Who has seen a public parent leases it to itself',
      ran({ coordinator: mallory, executor: mallory }),
      mallory,
    ),
    '74-leased-by-a-stranger': shown(
      'The lease is not by a node that may coordinate the parent',
      ran({ coordinator: mallory }),
    ),
    '75-leased-to-another': shown(
      'Executed by a node that was not given it',
      ran({ executor: mallory, lease: { executor: bob.identity } }),
      mallory,
    ),
    '76-leased-child-by-a-stranger': refuse('The same, one link further', childOf(stolen, mallory), [
      proof,
      stolen,
    ]),
    '77-lease-not-signed': refuse('What is shown to others is signed', child, [
      { ...proof, lease: unsigned },
    ]),
    '78-another-lease': refuse('Not the one that the receipt names', child, [
      { ...proof, lease: leaseOf(root, { epoch: 2 }) },
    ]),
    '79-lease-outlives-the-parent': shown(
      'Beyond the expiry of the parent',
      ran({ lease: { expiresAt: NOW + 8 * DAY_MS } }),
    ),
    '80-lease-costs': shown(
      'What executors continue is free',
      ran({ lease: { price: 1 }, receipt: { charge: 1 } }),
    ),
    '81-invented-result': refuse('Not the result that the receipt names', child, [
      { ...proof, result: { summary: 'A hen.' } },
    ]),
    '82-another-receipt': refuse('Of another run of the same parent', child, [ran({ lease: { epoch: 2 } })]),
    '83-receipt-of-a-failure': shown(
      'A failure has no next steps',
      ran({ receipt: { status: 'failed', resultHash: null, error: { code: 'timeout', message: 'Slow.' } } }),
    ),
    '84-receipt-of-another-capability': shown(
      'Not what the parent asks for',
      ran({ receipt: { capabilityId: 'text.other' } }),
    ),
    '85-receipt-of-another-input': shown(
      'Not the payload of the parent',
      ran({ receipt: { inputHash: 'ab'.repeat(32) } }),
    ),
    '86-receipt-before-the-lease': shown(
      'Begun before it was given',
      ran({ receipt: { startedAt: NOW + 4 - SKEW_MS } }),
    ),
    '87-signed-by-another': refuse('Not by whom the parent was given to', childOf(proof, mallory), [proof]),
    '88-left-to-the-submitter': shown('The executor of a parent that does not ask for it', ran({}, left)),
    '89-restricted-parent': shown('Only public chains are continued by executors', ran({}, restricted)),
    '90-paid-step': shown('Only chains in which nothing is paid', ran({}, paid)),
    '91-parent-tampered': refuse('The parent does not verify', child, [
      { ...proof, parent: { ...root, privacyRule: 'restricted' } },
    ]),
    '92-other-payload': altered('Not what the template gives', { payload: { title: 'Report' } }),
    '93-other-capability': altered('Not what the step asks for', { requestedCapability: 'data.delete' }),
    '94-other-policy': altered('It outlives its root', {
      executionPolicy: { ...executionPolicy, expiresAt: NOW + 8 * DAY_MS },
    }),
    '95-other-step': altered('The lineage names another step', { lineage: { ...child.lineage, step: 1 } }),
    '96-no-such-step': altered('The lineage names no step', { lineage: { ...child.lineage, step: 7 } }),
    '97-other-paths': altered('Hides what came from the result', {
      lineage: { ...child.lineage, paths: [] },
    }),
    '98-other-timestamp': altered('Would give one step many ids', { timestamp: child.timestamp + 1 }),
    '99-executor-under-another-submitter': refuse(
      'The submitter continues, wherever it is',
      childOf(byNamed, bob),
      [byNamed],
    ),
  };
}
