import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../protocols/settlement/v1/schema.ts';

/** One numbered, never reused keyspace of the database and the type of its values (see `keyspaces.ts`). */
export interface Keyspace<T> {
  readonly id: number;
  readonly name: string;
  /** Phantom: carries `T`. */
  readonly value?: T;
}

/** Reads see every committed write at once, durable or not yet. Values are JSON. */
export interface Reader {
  get<T>(space: Keyspace<T>, key: string): T | undefined;
}

export interface ScanRange {
  gte?: string;
  gt?: string;
  lt?: string;
  lte?: string;
  reverse?: boolean;
  limit?: number;
}

export interface CommitOptions {
  /** Nobody waits for it: it is synced with the next commit, or some milliseconds later. Visible at once all the same. */
  relaxed?: boolean;
  /** It follows from what was taken before, such as the receipt of a run: never refused as `busy`. Its callers bound such commits. */
  done?: boolean;
}

/**
 * Reads see its own writes first. Nothing is visible to others before `commit`, which applies all or nothing. Begin
 * and commit in one tick: a commit rejects with `conflict`, and applies nothing, when another one changed a row that
 * this transaction had read.
 */
export interface Transaction extends Reader {
  /** Gives the length of the value as JSON, in UTF-16 units. */
  put<T>(space: Keyspace<T>, key: string, value: T): number;
  delete<T>(space: Keyspace<T>, key: string): void;
  /**
   * Makes the writes visible at once and resolves when they are synced to disk, in order of commit, several
   * transactions sharing one sync (group commit). Rejects with `storage_failed` once the disk failed; the
   * database then refuses every further write. Rejects with `busy`, and applies nothing, while the disk is too far behind
   * and it is not `done`: this same transaction may be committed later, and then `conflict` says whether it still holds.
   */
  commit(options?: CommitOptions): Promise<void>;
  /** Called when the commit became visible, in the same tick: for what is kept in memory beside the rows. */
  onApplied(listener: () => void): void;
}

export interface Database extends Reader {
  transaction(): Transaction;
  /** Ordered pairs; waits for pending commits first, so that it sees them. */
  scan<T>(space: Keyspace<T>, range: ScanRange): AsyncIterable<[key: string, value: T]>;
  /** The same, many at a time: for whoever reads a whole keyspace. */
  scanMany<T>(space: Keyspace<T>, range: ScanRange): AsyncIterable<[key: string, value: T][]>;
  /**
   * Spares a look at the disk: where `mayExist` denies a key of the keyspace, no row is there. It must not deny one from the
   * moment that it is put.
   */
  assumeAbsent(space: Keyspace<unknown>, mayExist: (key: string) => boolean): void;
  /** Whether a commit of what could still be refused would be taken now. */
  readonly hasRoom: boolean;
  /** Resolves when everything committed so far is durable. */
  flushed(): Promise<void>;
  close(): Promise<void>;
}

export const CAPSULE_STATUSES = ['pending', 'announced', 'executing', 'completed', 'failed'] as const;
export type CapsuleStatus = (typeof CAPSULE_STATUSES)[number];
export type TerminalStatus = 'completed' | 'failed';

export interface HistoryEntry {
  at: number;
  status: CapsuleStatus;
  /** One short sentence for a person, such as "assigned to 12D3…". */
  note?: string;
}

/** Whose share of the disk a capsule counts against: the node's own identity, one that the operator named, anybody else. */
export const SHARES = ['own', 'known', 'stranger'] as const;
export type Share = (typeof SHARES)[number];

/** What became of one `next` step: a child, or the reason why there is none. */
export interface StepOutcome {
  child: string | null;
  error: ErrorBody | null;
}

/** All that the node knows about a capsule beside its bytes and its result: one row, rewritten at each transition. */
export interface CapsuleRow<Life = unknown> {
  id: string;
  originIdentity: string;
  requestedCapability: string;
  parentCapsule: string | null;
  chainDepth: number;
  /** Id of the workflow's root capsule; its own id for a root. */
  root: string;
  /** The capsule's own. All times are ms since the epoch. */
  timestamp: number;
  /** When this node first stored it; the listing order. Never changes. */
  receivedAt: number;
  updatedAt: number;
  expiresAt: number;
  /** Node where the workflow was submitted. */
  submitter: string;
  /** Node that grants its leases. */
  coordinator: string;
  /** A terminal one never changes again. */
  status: CapsuleStatus;
  /** Node that executes or executed it. */
  executor: string | null;
  /** Newest epoch granted (coordinator) or held (executor). */
  epoch: number;
  /** Executions begun, counting the first. */
  attempts: number;
  error: ErrorBody | null;
  receiptHash: string | null;
  /** One for each of the capsule's `next` steps, in order, once it was continued; else empty. */
  steps: StepOutcome[];
  share: Share;
  /** Stored for it: capsule and result. */
  bytes: number;
  /** It still asks for effects: it is unfinished, or owes a delivery. What is not terminal is open in any case. */
  open: boolean;
  /** Bounded by its writer: `appendHistory`. */
  history: HistoryEntry[];
  /** The exchange's own state; JSON. */
  life: Life;
}

/** What a capsule ended with. */
export interface StoredResult {
  result: unknown;
  /** Null only where it failed before anybody ran it. */
  receipt: Receipt | null;
  assignment: Assignment | null;
  settlement: Settlement | null;
}

export interface ListFilter {
  /** Beginning of an id, or, after `…`, its end. */
  id?: string;
  status?: CapsuleStatus;
  requestedCapability?: string;
  originIdentity?: string;
  root?: string;
  parentCapsule?: string;
  /** 1 to 500; default 50. */
  limit?: number;
  /** From the previous page's `cursor`. */
  cursor?: string;
  /** Ends the search. */
  signal?: AbortSignal;
}

export interface Page<T> {
  items: T[];
  /** Null on the last page. */
  cursor: string | null;
}

/** What has ended, is not open any more and is beyond any of these goes, strangers' first and of each share the oldest. */
export interface PruneOptions {
  /** ms since it ended. */
  maxAgeMs?: number;
  /** The same for what strangers ordered, where that is shorter; default one hour. */
  strangerMaxAgeMs?: number;
  /** Neither removed nor counted. */
  keepStatuses?: CapsuleStatus[];
  /** Keep at most so many that have ended. */
  maxCount?: number;
  /** Keep at most so many bytes of each share; what is open counts and stays. */
  maxBytes?: Partial<Record<Share, number>>;
}

/** What is stored for one share. */
export interface Usage {
  capsules: number;
  bytes: number;
}

/** Ids of capsules that were removed and have not expired: nothing of them is to run or be paid again. */
export interface EndedIds {
  /** Done by `CapsuleStore.remove`; by hand for what was refused without being stored. */
  remember(tx: Transaction, row: Pick<CapsuleRow, 'id' | 'timestamp' | 'expiresAt' | 'share'>): void;
  has(id: string, reader?: Reader): boolean;
  /** Whether a stranger's capsule of that timestamp is too old to tell whether it was here: its id may be forgotten. */
  refuses(timestamp: number): boolean;
}

/**
 * Capsules and their state. Methods that take a transaction stage their writes there, so that whatever belongs together
 * is one batch.
 */
export interface CapsuleStore<Life = unknown> {
  readonly ended: EndedIds;
  /** False, and nothing staged, when it is stored already. The capsule itself belongs into the same batch. */
  add(tx: Transaction, row: CapsuleRow<Life>): boolean;
  /** Gives its length, for `bytes`. */
  putCapsule(tx: Transaction, capsule: Capsule): number;
  /** Replaces the row. Throws `not_found` for an unknown id, `conflict` where a terminal status or `receivedAt` would change. */
  put(tx: Transaction, row: CapsuleRow<Life>, before?: CapsuleRow<Life>): void;
  get(id: string): Capsule | undefined;
  row(id: string, reader?: Reader): CapsuleRow<Life> | undefined;
  /** Gives its length, for `bytes`. Throws `not_found`, and `conflict` where another receipt is stored. */
  putResult(tx: Transaction, id: string, result: StoredResult): number;
  /** Adds the settlement to a stored result without writing that again. */
  putSettlement(tx: Transaction, id: string, settlement: Settlement): void;
  result(id: string, reader?: Reader): StoredResult | undefined;
  /** Newest first. A page may be short, or empty, and still have a next one. */
  list(filter: ListFilter): Promise<Page<CapsuleRow<Life>>>;
  /** Workflow roots, newest first. */
  listRoots(filter: { limit?: number; cursor?: string }): Promise<Page<CapsuleRow<Life>>>;
  /** Every open row, oldest first: what a start performs. */
  open(): AsyncIterable<CapsuleRow<Life>>;
  counts(): Record<CapsuleStatus, number>;
  usage(): Record<Share, Usage>;
  /** Throws `not_found`, and `conflict` while it is open. Its id is remembered until it expires. */
  remove(tx: Transaction, id: string): void;
  /** Gives how many it removed. */
  prune(options: PruneOptions): Promise<number>;
  /** ms since the epoch for judging ages and expiry: does not go back, over a restart neither. */
  ageNow(): number;
}
