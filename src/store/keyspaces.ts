import type { Keyspace } from './types.ts';

/**
 * Every keyspace of the database. A number is never reused, also when its keyspace is given up: old data would be
 * read as something else; 3, 4, 6, 7 and 16 to 21 are such. Values are typed where they are owned: `const receipts = keyspace<Receipt>('receipts')`.
 */
export const KEYSPACE_IDS = {
  /** Store version and the like. */
  meta: 1,

  // Capsules, keyed by capsule id. `CapsuleStore.remove` clears all of these with the capsule, but for its id.
  capsules: 2,
  decisions: 5,
  capsuleRows: 8,
  capsuleResults: 9,
  /** Of results that were stored before their settlement came. */
  settlements: 10,
  /** Ids that were removed and have not expired. */
  endedIds: 11,
  /** What proves a child that its origin did not sign, by its place in its chain. */
  childProofs: 12,

  /** `<received, 16 digits><capsule id>`; the value is a mark (`capsule-index.ts`). */
  capsulesByTime: 22,

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

  // Who may call, by name; and who submitted a capsule, by its id: cleared with it.
  principals: 64,
  capsulePrincipals: 65,
} as const satisfies Record<string, number>;

export type KeyspaceName = keyof typeof KEYSPACE_IDS;

export function keyspace<T>(name: KeyspaceName): Keyspace<T> {
  return { id: KEYSPACE_IDS[name], name };
}
