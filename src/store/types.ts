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
}

/**
 * Reads see its own writes first. Nothing is visible to others before `commit`, which applies all or nothing. Begin
 * and commit in one tick: a commit rejects with `conflict`, and applies nothing, when another one changed a row that
 * this transaction had read.
 */
export interface Transaction extends Reader {
  put<T>(space: Keyspace<T>, key: string, value: T): void;
  delete<T>(space: Keyspace<T>, key: string): void;
  /**
   * Makes the writes visible at once and resolves when they are synced to disk, in order of commit, several
   * transactions sharing one sync (group commit). Rejects with `storage_failed` once the disk failed; the
   * database then refuses every further write. Rejects with `busy`, and applies nothing, while the disk is too far behind:
   * this same transaction may be committed later, and then `conflict` says whether it still holds.
   */
  commit(options?: CommitOptions): Promise<void>;
}

export interface Database extends Reader {
  transaction(): Transaction;
  /** Ordered pairs; waits for pending commits first, so that it sees them. */
  scan<T>(space: Keyspace<T>, range: ScanRange): AsyncIterable<[key: string, value: T]>;
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

/** What the node knows about a capsule beside its bytes: one row, rewritten at each change. Times are ms since the epoch. */
export interface CapsuleRow<Life = unknown> {
  id: string;
  originIdentity: string;
  requestedCapability: string;
  parentCapsule: string | null;
  chainDepth: number;
  root: string;
  timestamp: number;
  receivedAt: number;
  updatedAt: number;
  expiresAt: number;
  submitter: string;
  coordinator: string;
  status: CapsuleStatus;
  executor: string | null;
  epoch: number;
  attempts: number;
  error: ErrorBody | null;
  receiptHash: string | null;
  steps: StepOutcome[];
  share: 'own' | 'known' | 'stranger';
  bytes: number;
  open: boolean;
  history: HistoryEntry[];
  life: Life;
}

export interface ListFilter {
  status?: CapsuleStatus;
  requestedCapability?: string;
  originIdentity?: string;
  root?: string;
  parentCapsule?: string;
  /** 1 to 500; default 50. */
  limit?: number;
  /** From the previous page's `cursor`. */
  cursor?: string;
}

export interface Page<T> {
  items: T[];
  /** Null on the last page. */
  cursor: string | null;
}

export interface PruneOptions {
  maxAgeMs?: number;
  keepStatuses?: CapsuleStatus[];
  /** Keep at most so many terminal capsules, the newest. */
  maxCount?: number;
}

/** What became of one `next` step: a child, or the reason why there is none. */
export interface StepOutcome {
  child: string | null;
  error: ErrorBody | null;
}

/** What a capsule ended with. */
export interface StoredResult {
  result: unknown;
  receipt: Receipt | null;
  assignment: Assignment | null;
  settlement: Settlement | null;
}

export interface CapsuleStore<Life = unknown> {
  add(tx: Transaction, capsule: Capsule, row: CapsuleRow<Life>): boolean;
  put(tx: Transaction, row: CapsuleRow<Life>): void;
  get(id: string): Capsule | undefined;
  row(id: string, reader?: Reader): CapsuleRow<Life> | undefined;
  putResult(tx: Transaction, id: string, result: StoredResult): void;
  result(id: string, reader?: Reader): StoredResult | undefined;
  list(filter: ListFilter): Promise<Page<CapsuleRow<Life>>>;
  listRoots(filter: { limit?: number; cursor?: string }): Promise<Page<CapsuleRow<Life>>>;
  open(): AsyncIterable<CapsuleRow<Life>>;
  counts(): Promise<Record<CapsuleStatus, number>>;
  remove(tx: Transaction, id: string): void;
  prune(options: PruneOptions): Promise<number>;
  ended: { has(id: string): boolean; refuses(timestamp: number): boolean };
}
