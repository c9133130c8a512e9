import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ExchangeMessageOf, Proof } from '../../protocols/messages/v1/schema.ts';
import { type AssignmentBody, assignmentHash } from '../../src/capsule/assignment.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { ReceiptBody } from '../../src/capsule/receipt.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { leaseOf, receiptOf } from './documents.ts';
import { alice, bob, mallory, type TestKey } from './keys.ts';
import { Mesh, type NodeOptions, type Stranger, type TestNode } from './mesh.ts';

/*
 * What a node says that does not keep to the protocol. Mallory has a key and a connection, and no node behind them.
 */

/** Bob offers; Mallory speaks as she likes. */
export async function target(options: NodeOptions = {}) {
  const mesh = new Mesh();
  const b = await mesh.add(bob, { offers: { 'work.echo': 1, 'work.wait': 0 }, ...options });
  const m = await mesh.stranger(mallory);
  return { mesh, b, m };
}

/** A root capsule of `key` for `work.echo`, for one credit, unless told. */
export function capsuleBy(mesh: Mesh, key: TestKey, options: Partial<CapsuleOptions> = {}): Capsule {
  const fields = { originIdentity: key.identity, requestedCapability: 'work.echo', payload: { text: 'x' } };
  const paymentRule = { type: 'credit', amount: 1 } as const;
  const capsule = createCapsule({ ...fields, paymentRule, ...options }, mesh.clock);
  return signCapsule(key.signer, nodeCrypto, capsule);
}

/** For work that costs nothing. */
export function freeBy(mesh: Mesh, key: TestKey, options: Partial<CapsuleOptions> = {}): Capsule {
  return capsuleBy(mesh, key, { requestedCapability: 'work.wait', paymentRule: null, ...options });
}

/** A lease of half a minute from now on. */
export function leaseBy(
  mesh: Mesh,
  capsule: Capsule,
  to: { identity: string },
  by: TestKey = mallory,
  changes: Partial<AssignmentBody> = {},
): Assignment {
  const now = mesh.clock.now();
  const times = { grantedAt: now, expiresAt: now + 30_000 };
  return leaseOf(capsule, { executor: to.identity, ...times, ...changes }, by);
}

export function orderOf(
  capsule: Capsule,
  assignment?: Assignment,
  proofs?: Proof[],
): ExchangeMessageOf<'capsule_data'> {
  return { type: 'capsule_data', capsule, ...(proofs && { proofs }), ...(assignment && { assignment }) };
}

export const OFFER = { capabilityId: 'work.echo', price: 1, estimatedLatency: 0, idempotent: true };

/** Makes a node believe that a peer offers something. */
export async function offersTo(
  node: TestNode,
  peer: Stranger,
  changes: Partial<typeof OFFER> = {},
): Promise<void> {
  await peer.network.dial(`/p2p/${node.nodeId}`);
  node.life.table.noteOffer(peer.nodeId, { ...OFFER, ...changes });
}

/** Alice asks; Mallory offers what nobody else does, and is given the order. */
export async function ordered(
  options: Partial<CapsuleOptions> = {},
  offer: Partial<typeof OFFER> = {},
  asker: NodeOptions = {},
) {
  const mesh = new Mesh();
  const a = await mesh.add(alice, asker);
  const m = await mesh.stranger(mallory);
  await offersTo(a, m, offer);
  const paymentRule = { type: 'credit', amount: 2 } as const;
  const { id } = await a.submit(a.capsule({ paymentRule, ...options }));
  await mesh.settle();
  return { mesh, a, m, id, ...given(m) };
}

/** The newest order that a peer was given. */
export function given(m: Stranger): { capsule: Capsule; lease: Assignment; proofs: Proof[] } {
  const last = m.of('capsule_data').at(-1);
  if (last?.assignment === undefined) throw new Error('It was given no order');
  return { capsule: last.capsule, lease: last.assignment, proofs: last.proofs ?? [] };
}

/** The result `{done: true}` in order, unless told. */
export function resultBy(
  key: TestKey,
  capsule: Capsule,
  lease: Assignment,
  changes: Partial<ReceiptBody> = {},
  result: unknown = { done: true },
): ExchangeMessageOf<'capsule_result'> {
  const under = {
    lease: assignmentHash(nodeCrypto, lease),
    epoch: lease.epoch,
    charge: lease.price > 0 ? lease.price : null,
    startedAt: lease.grantedAt,
    finishedAt: lease.grantedAt + 1,
  };
  const receipt = receiptOf(capsule, result, { ...under, ...changes }, key);
  return {
    type: 'capsule_result',
    capsuleId: capsule.id,
    status: 'completed',
    result,
    receipt,
    assignment: lease,
  };
}

/** The same for a failure. */
export function failureBy(
  key: TestKey,
  capsule: Capsule,
  lease: Assignment,
  code = 'internal',
): ExchangeMessageOf<'capsule_result'> {
  const error = { code, message: 'I say so.' };
  const failed = { status: 'failed', resultHash: null, charge: null, error } as const;
  const { result: _, ...message } = resultBy(key, capsule, lease, failed);
  return { ...message, status: 'failed', error };
}

export const acceptance = (capsuleId: string, epoch = 1): ExchangeMessageOf<'capsule_accept'> => ({
  type: 'capsule_accept',
  capsuleId,
  of: 'order',
  epoch,
});

export const decline = (
  capsuleId: string,
  code: string,
  of = 'capsule_data',
  more: Partial<ExchangeMessageOf<'capsule_decline'>> = {},
): ExchangeMessageOf<'capsule_decline'> => ({
  type: 'capsule_decline',
  capsuleId,
  of,
  epoch: 1,
  code,
  message: 'No.',
  load: 0,
  ...more,
});

export const progress = (
  capsuleId: string,
  seq: number,
  delta?: string,
  epoch = 1,
): ExchangeMessageOf<'capsule_progress'> => ({
  type: 'capsule_progress',
  capsuleId,
  epoch,
  seq,
  ...(delta !== undefined && { delta }),
});
