import type { Keyspace } from './types.ts';

/**
 * Every keyspace of the database. A number is never reused, also when its keyspace is given up: old data would be
 * read as something else. Values are typed where they are owned: `const receipts = keyspace<Receipt>('receipts')`.
 */
export const KEYSPACE_IDS = {
  /** Store version and the like. */
  meta: 1,

  // Capsules, keyed by capsule id. `CapsuleStore.remove` clears `results`, `decisions` and `leases` with the capsule.
  capsules: 2,
  records: 3,
  results: 4,
  decisions: 5,
  /** What proves an executor's child, by root, parent and step. */
  childProofs: 9,
  /** What must survive a crash about a capsule in progress, at its coordinator and at its executor. */
  leases: 6,
  /** Results not acknowledged yet; a capsule with one is not removed. */
  outbox: 7,

  // Indexes of capsules: `<group>:<received, 16 digits><capsule id>`.
  capsulesByTime: 16,
  capsulesByStatus: 17,
  capsulesByCapability: 18,
  capsulesByRoot: 19,
  /** Workflow roots stand under the group `none`. */
  capsulesByParent: 20,
  capsuleCounts: 21,

  // The engine.
  receipts: 32,
  // 33 and 34 were one index row for each receipt, by hash and by capsule.
  /** How far the receipt chain was, now and then. */
  state: 35,
  /** Storage of capabilities: `<module>:<key>`. */
  capabilityStorage: 36,
  permissions: 37,
  codeHashes: 38,
  latencies: 39,
  stateDigests: 40,
  /** Hashes of receipts, a page in a row. */
  receiptPages: 41,

  // The ledger.
  ledgerEntries: 48,
  ledgerReferences: 49,
  ledgerBalances: 50,
  ledgerByAccount: 51,
  // 52 said which entry is the newest.
  ledgerDisputed: 53,
} as const satisfies Record<string, number>;

export type KeyspaceName = keyof typeof KEYSPACE_IDS;

export function keyspace<T>(name: KeyspaceName): Keyspace<T> {
  return { id: KEYSPACE_IDS[name], name };
}
