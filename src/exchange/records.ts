import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { CapsuleRecord } from '../store/types.ts';

/** The record a capsule begins its life on this node with. */
export function newRecord(
  capsule: Capsule,
  role: { now: number; coordinator: string; replyTo: string; root: string; held: boolean },
): CapsuleRecord {
  return {
    id: capsule.id,
    status: 'pending',
    originIdentity: capsule.originIdentity,
    requestedCapability: capsule.requestedCapability,
    parentCapsule: capsule.parentCapsule,
    chainDepth: capsule.chainDepth ?? 0,
    root: role.root,
    receivedAt: role.now,
    updatedAt: role.now,
    coordinator: role.coordinator,
    replyTo: role.replyTo,
    executor: null,
    epoch: 0,
    attempts: 0,
    held: role.held,
    error: null,
    receiptHash: null,
    history: [{ at: role.now, status: 'pending' }],
  };
}

export function hasEnded(record: CapsuleRecord): boolean {
  return record.status === 'completed' || record.status === 'failed';
}

/** The workflow's root as far as the capsule itself proves it: up the delegation, else its nearest known ancestor. */
export function rootOf(capsule: Capsule): string {
  let top: Capsule = capsule;
  while (top.delegation !== undefined) top = top.delegation.parent;
  return top.parentCapsule ?? top.id;
}
