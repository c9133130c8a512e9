import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { Decision } from '../../market/types.ts';
import type { CapsuleRow } from '../../store/types.ts';

export type Share = CapsuleRow['share'];

/*
 * What one node remembers of one capsule (node "One way for a capsule"), stored as one row: the fields that lists and
 * surfaces show, and `life`, the state of its roles here. All times are milliseconds since the epoch; nodes are named
 * by node id. Everything is JSON, and every list has a bound.
 */

/** A lease of this node's own is kept unsigned and signed when it is sent: signing twice gives the same bytes. */
export type Lease = Assignment;

/** A lease that this node granted. */
export interface Grant {
  lease: Lease;
  /** Node id of `lease.executor`. */
  executor: string;
  /** Whether the work may be done twice: what the executor offered, made stricter by `atMostOnce`. */
  mayRepeat: boolean;
  /** Declined, or known never to have begun: no result can come of it. */
  void: boolean;
}

/** One execution that was begun elsewhere or here and did not lead to an accepted result. */
export interface Try {
  executor: string;
  epoch: number;
  error: ErrorBody;
  at: number;
}

/** A node that did not take the order in this round; forgotten when the capsule waits. */
export interface Refusal {
  executor: string;
  error: ErrorBody;
}

/** Newest leases kept: a result under an older unsigned one is no longer taken. More than tries and their repetitions. */
export const KEPT_GRANTS = 16;
/** Nodes asked in one round; after that the capsule waits for a change. */
export const ASKED_PER_ROUND = 16;
/** Executions remembered: the most that `maxRetries` admits, and the first. */
export const KEPT_TRIES = 11;
/** Nodes remembered that did not take the order in rounds before: more than a node is connected to at a time. */
export const KEPT_REFUSED = 256;
/** Orders to nodes that this one never met, for one capsule: invented providers cost at most so many time limits. */
export const UNPROVEN_TRIES = 3;

/** How the coordinator or submitter stands with the capsule. */
export type Phase =
  /** Asks the scheduler at once; never stored. */
  | { kind: 'choosing' }
  /** Nobody can take it now. `until` ends the search, `again` ends a pause before the next try; null: neither. */
  | { kind: 'waiting'; until: number; again: number | null; open: boolean; error: ErrorBody }
  /** Ordered of the newest grant's executor, not answered yet. */
  | { kind: 'ordered' }
  /** Taken by the newest grant's executor. The attempt ends at `endBy`, whatever its heartbeats say. */
  | { kind: 'running'; endBy: number }
  /** Assigned to this node itself; `work` has the rest. */
  | { kind: 'here' }
  /** Work that may not run twice was lost: its outcome is waited for until `until`. `taken`: it had been accepted. */
  | { kind: 'learning'; until: number; taken: boolean }
  /** A step that its parent's executor coordinates; this node submitted the chain. */
  | { kind: 'elsewhere' }
  /** Cancelled; the word of `at`, who has it, is waited for until `until`. */
  | { kind: 'cancelling'; at: string; until: number }
  | { kind: 'ended' };

/** The role of coordinator, of submitter, or both: seeing to it that the capsule gets done. */
export interface Care {
  phase: Phase;
  /** Oldest first, at most `KEPT_GRANTS`. */
  grants: Grant[];
  tries: Try[];
  asked: Refusal[];
  /** Asked in rounds before this one, while there were more to ask; at most `KEPT_REFUSED`. */
  refused: string[];
  /** Orders to unproven nodes so far. */
  unproven: number;
  /** When the search that is under way began; null while somebody has the capsule. */
  searchedFrom: number | null;
  /** Sought until it expires, because it or its root says when that is. */
  patient: boolean;
  /** Only this node may execute (`--on`). */
  only: string | null;
  /** Somebody else's execution may have begun before this node took the capsule over. */
  unknownRun: boolean;
  /** Receipt that was paid or acknowledged although the capsule had ended without it. */
  late: string | null;
}

/** The role of executor. */
export type Work =
  | Running
  | ({ kind: 'delivering' } & Delivery)
  | { kind: 'delivered'; lease: Lease; outcome: Outcome };

export interface Running {
  kind: 'running';
  lease: Lease;
  mayRepeat: boolean;
  /** Ended then, by this node's clock. */
  endBy: number;
  /** Times that this node ended while it ran. */
  crashes: number;
  /** Why it is to be aborted. */
  stop: ErrorBody | null;
  /** As in `Delivery`. */
  lapsed: boolean;
}

export interface Delivery {
  lease: Lease;
  outcome: Outcome;
  /** Nodes that have not acknowledged yet; never empty. */
  to: string[];
  /** Given up after this. */
  until: number;
  /** The lease ended before the result was delivered: it expired, or its connection was lost beyond the grace. */
  lapsed: boolean;
  /** Its payer has been sent the result of paid work: the lease lapses no more, whoever hangs up or restarts. */
  offered: boolean;
}

/** What a receipt of this node says in short. */
export interface Outcome {
  status: 'completed' | 'failed';
  receiptHash: string;
  /** Credits; null where nothing was earned. */
  charge: number | null;
}

export interface Life {
  care: Care | null;
  work: Work | null;
  /** Why it went where it went; kept in memory until it has ended. */
  decisions: Decision[];
}

export type State = CapsuleRow<Life>;

/** The newest lease granted; undefined before the first. */
export function newestGrant(care: Care): Grant | undefined {
  return care.grants.at(-1);
}

export function hasEnded({ status }: Pick<State, 'status'>): boolean {
  return status === 'completed' || status === 'failed';
}
