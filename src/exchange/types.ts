import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Decision } from '../market/types.ts';
import type { CapsuleRow, CapsuleStatus } from '../store/types.ts';

/** What followers of a node see, numbered from 1 since its start. */
export type MeshEvent = { sequence: number; at: number; capsuleId: string } & (
  | { type: 'status'; status: CapsuleStatus; executor: string | null; note?: string }
  /**
   * `epoch`: the text of another epoch begins anew. `number`: the delta's place in the text of its epoch, from 0. `missing`:
   * how many deltas before this one are lost.
   */
  | { type: 'progress'; epoch: number; delta?: string; number?: number; stage?: string; missing?: number }
  | { type: 'done'; status: 'completed' | 'failed'; error: ErrorBody | null }
);

/** The whole record of a capsule as `capsule run --json` and `GET /api/capsules/:id` show it. */
export interface CapsuleView {
  id: string;
  status: CapsuleStatus;
  executor: string | null;
  result: unknown;
  error: ErrorBody | null;
  receipt: Receipt | null;
  /** Ids of the next steps' capsules, in step order. */
  children: string[];
  /** Why nobody has it now, and what it waits for. Null where it does not wait. */
  waiting: Waiting | null;
  /** The only node that may execute it (`--on`). */
  only: string | null;
  record: Omit<CapsuleRow, 'life'>;
  capsule: Capsule;
}

/** All times are ms since the epoch. */
export interface Waiting {
  reason: ErrorBody;
  /** It ends as failed if nobody has taken it until then. */
  until: number;
  /** When a node that failed is tried once more; null: as soon as something changes. */
  again: number | null;
}

export interface SubmitOptions {
  /** This node has just signed it itself, so its signature is not verified again. */
  signedHere?: boolean;
  /** Only this node may execute (`--on`). */
  executor?: string;
}

/** Which of the remembered events. */
export interface EventRange {
  /** Number of the last one that is not asked for. */
  since: number;
  /** Only this capsule's. */
  capsuleId?: string;
  limit: number;
}

export interface EventPiece {
  events: MeshEvent[];
  /** `since` of the next piece. */
  position: number;
  /** Events after `since`, of any capsule, that are remembered no more. */
  forgotten: number;
}

/** What the surfaces (HTTP, command line through it, later gateways) ask of the exchange. */
export interface CapsuleService {
  /** Resolves when the capsule is durable. The same capsule twice gives the same id. Throws `MeshError`. */
  submit(capsule: unknown, options?: SubmitOptions): Promise<{ id: string }>;
  view(id: string): Promise<CapsuleView | undefined>;
  /** Cancels wherever it is; throws `not_found`, and `conflict` when it has ended. */
  cancel(id: string): Promise<void>;
  explain(id: string): Decision[];
  /** Every new event, of one capsule or of all. Returns the removal. */
  follow(listener: (event: MeshEvent) => void, options?: { capsuleId?: string }): () => void;
  /** Earlier events, as many at a time as the caller wants. */
  eventsAfter(range: EventRange): EventPiece;
  /** Number of the newest event. */
  readonly newestEvent: number;
}
