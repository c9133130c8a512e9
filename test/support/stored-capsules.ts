import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { CapsuleRow, CapsuleStore, Transaction } from '../../src/store/types.ts';

/** A capsule id that says its number: for stores, which trust what was verified above them. */
export function capsuleId(number: number): string {
  return number.toString(16).padStart(64, '0');
}

export function unsignedCapsule(id: string, fields: Partial<Capsule> = {}): Capsule {
  return {
    id,
    version: 1,
    timestamp: 1_700_000_000_000,
    originIdentity: 'a'.repeat(64),
    requestedCapability: 'text.stats',
    payload: { text: 'hello' },
    paymentRule: null,
    privacyRule: 'public',
    executionPolicy: null,
    next: null,
    chainDepth: null,
    parentCapsule: null,
    signature: '0'.repeat(128),
    ...fields,
  };
}

/** Stages a capsule and its row; false, and nothing, when it is stored already. */
export function addCapsule<Life>(
  store: Pick<CapsuleStore<Life>, 'add' | 'putCapsule'>,
  tx: Transaction,
  capsule: Capsule,
  row: CapsuleRow<Life>,
): boolean {
  const added = store.add(tx, row);
  if (added) store.putCapsule(tx, capsule);
  return added;
}

export function pendingRow(id: string, fields: Partial<CapsuleRow<null>> = {}): CapsuleRow<null> {
  const receivedAt = fields.receivedAt ?? 1_700_000_000_000;
  return {
    id,
    originIdentity: 'a'.repeat(64),
    requestedCapability: 'text.stats',
    parentCapsule: null,
    chainDepth: 0,
    root: id,
    timestamp: receivedAt,
    receivedAt,
    updatedAt: receivedAt,
    expiresAt: receivedAt + 604_800_000,
    submitter: 'here',
    coordinator: 'here',
    status: 'pending',
    executor: null,
    epoch: 0,
    attempts: 0,
    error: null,
    receiptHash: null,
    steps: [],
    share: 'own',
    bytes: 0,
    open: fields.status === undefined || (fields.status !== 'completed' && fields.status !== 'failed'),
    history: [],
    life: null,
    ...fields,
  };
}
