import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../../protocols/settlement/v1/schema.ts';
import type { Lease, Share } from './state.ts';

/** One who could execute, best first in a choice. */
export interface Choosable {
  /** Node id; this node's own for itself. */
  nodeId: string;
  /** Credits that the lease will name; 0 for unpaid work. */
  price: number;
  idempotent: boolean;
  /** This node has met it before. */
  proven: boolean;
}

/** What became of one `next` step: a capsule signed by this node, or why there is none. */
export type Step = { capsule: Capsule } | { error: ErrorBody };

/** A result whose receipt, lease and hashes the validator found in order. */
export interface CheckedResult {
  /** Node id of the sender, who is the receipt's identity. */
  from: string;
  receipt: Receipt;
  lease: Assignment;
  /** `undefined` at a coordinator that is not the submitter: the receipt is all that it gets. */
  result: unknown;
  error: ErrorBody | null;
  /** Children in step order; empty where this node neither continues the chain nor has submitted it. */
  steps: Step[];
}

/**
 * Everything that can happen to a capsule here. Messages have passed their validator: signatures, hashes, times and
 * the sender's right to speak about this capsule are settled; what the state makes of them is decided in the machine.
 */
export type Event =
  /** A call: this node submits it. `only` as in `--on`. */
  | { type: 'submitted'; capsule: Capsule; root: string; only: string | null }
  /** This node derived it from a result. `coordinator` is this node, or the parent's executor. */
  | {
      type: 'spawned';
      capsule: Capsule;
      root: string;
      coordinator: string;
      submitter: string;
      share: Share;
      /** As in `Care`. */
      patient: boolean;
    }
  /** The scheduler's answer: best first. `local` is why this node itself does not take it, though it is ranked. */
  | {
      type: 'chosen';
      ranking: Choosable[];
      local: ErrorBody | null;
      /** Why nobody is left, and whether a change can be waited for. */
      nobody: ErrorBody;
      hopeless: boolean;
    }
  /** A provider, a price, room, a bid: worth looking again. */
  | { type: 'changed' }
  /** Of an order that this node sent. */
  | { type: 'accepted'; from: string; epoch: number }
  | { type: 'declined'; from: string; epoch: number; error: ErrorBody; retryAfterMs: number }
  /** It could not be dialled: it never had the order. */
  | { type: 'unreachable'; epoch: number }
  /** It had the order and said nothing. */
  | { type: 'silent'; epoch: number }
  /** Its connection or its heartbeats stopped, for longer than is forgiven. */
  | { type: 'lost'; epoch: number }
  /** Asked what became of it, the executor knows nothing of it, and will not take the lease of this epoch any more. */
  | { type: 'unknown'; from: string; epoch: number }
  | ({ type: 'result' } & CheckedResult)
  /** A result that is not in order, under a lease that this node granted. */
  | { type: 'invalid'; from: string; epoch: number; error: ErrorBody }
  /** The node that coordinates a step for this submitter gives it back; `begun`: somebody may have run it. */
  | { type: 'handed_back'; from: string; begun: boolean; epoch: number }
  | { type: 'cancel' }
  /** Whoever has it confirms that it stopped. */
  | { type: 'cancel_confirmed'; from: string; epoch: number }
  /** An order that the validator and the admission let through. */
  | {
      type: 'ordered';
      from: string;
      capsule: Capsule;
      lease: Lease;
      root: string;
      /** Node id of whom the root's origin named. */
      submitter: string;
      share: Share;
      /** Of a capsule that its origin did not sign; else empty. */
      proofs: Proof[];
      /** What this node offers now, made stricter by the capsule. */
      mayRepeat: boolean;
    }
  /** This node's own run of it ended; in the batch of its receipt. */
  | {
      type: 'ran';
      receipt: Receipt;
      lease: Assignment;
      result: unknown;
      error: ErrorBody | null;
      steps: Step[];
    }
  /** The submitter or coordinator stops it. */
  | { type: 'stopped'; from: string; epoch: number; error: ErrorBody }
  /** The connection to whoever waits for the result was lost for longer than the grace. */
  | { type: 'parted'; from: string }
  /** The result of paid work was sent to its payer some time ago. */
  | { type: 'offered' }
  /** Nobody has waited for this stranger's free run for long. */
  | { type: 'abandoned' }
  | { type: 'acknowledged'; from: string; epoch: number; settlement: Settlement | null }
  /** The receiver does not take the result. */
  /** `proven`: it showed the receipt and the lease of another result that it accepted. */
  | { type: 'refused'; from: string; epoch: number; error: ErrorBody; proven: boolean }
  /** The time that the state itself asked for has come. */
  | { type: 'due' }
  /** A start after a stop or a crash. */
  | { type: 'restarted'; mayRepeat: boolean };
