import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../../protocols/settlement/v1/schema.ts';
import type { Lease, State } from './state.ts';

/**
 * What a stored state asks for, for as long as it stands. `key` tells one from another of the same capsule: an effect
 * is begun when its key first appears and ended when it is gone. Each may be done twice.
 */
export type Effect =
  /** Send the order, and say how it was met. `early`: it need not wait for the disk. */
  | { kind: 'order'; key: string; to: string; lease: Lease; early: boolean }
  /** Follow heartbeats and connection of whoever executes. */
  | { kind: 'watch'; key: string; node: string; epoch: number }
  /**
   * Ask now, on every new connection, and now and then, what became of it. Who does not know it, and is asked about an
   * epoch, first remembers to decline that lease: its order may still be on the way.
   */
  | { kind: 'ask'; key: string; node: string; epoch: number | null }
  | { kind: 'run'; key: string; lease: Lease; early: boolean }
  /** Abort the run, or what is about to be one. */
  | { kind: 'stop'; key: string; error: ErrorBody }
  /** Offer the outcome until it is acknowledged. */
  | { kind: 'deliver'; key: string; to: string }
  | { kind: 'cancel'; key: string; to: string; epoch: number }
  /** Wait in the line of its capability for a change; `open`: also announce it. */
  | { kind: 'wait'; key: string; open: boolean }
  | { kind: 'timer'; key: string; at: number };

/** What belongs into the same batch as the state. */
export type Write =
  | { kind: 'capsule'; capsule: Capsule }
  | {
      kind: 'result';
      result: unknown;
      receipt: Receipt;
      lease: Assignment;
      /** This node pays: its countersignature is stored with the result. */
      settled: boolean;
    }
  | { kind: 'settlement'; settlement: Settlement }
  /** The payment of this capsule, credits. */
  | { kind: 'book'; debit: string; credit: string; amount: number; receiptHash: string }
  | { kind: 'reverse' }
  | { kind: 'dispute' }
  /** A next step begins its life here. */
  | { kind: 'spawn'; capsule: Capsule; coordinator: string; patient: boolean }
  /** What proves an executor's child, and that no other was taken for its step. */
  | { kind: 'proofs'; root: string; capsule: Capsule; proofs: Proof[] };

/** An answer to the message or call that was the event; told once what it says is durable. */
export type Reply =
  | { kind: 'accept_order'; to: string; epoch: number }
  | { kind: 'decline_order'; to: string; epoch: number; error: ErrorBody }
  /** `settled`: it is the result that was paid, where anything is. */
  | { kind: 'acknowledge'; to: string; epoch: number; settled: boolean }
  | { kind: 'decline_result'; to: string; epoch: number; error: ErrorBody }
  | { kind: 'confirm_cancel'; to: string; epoch: number }
  /** The outcome again, to somebody who asked or ordered again. */
  | { kind: 'tell'; to: string }
  /** To whoever may still be at it although another result was accepted, or nobody waits any more. */
  | { kind: 'cancel'; to: string; epoch: number }
  /** This node coordinates it no more; its submitter may. It asks again if it does not hear this. */
  | { kind: 'hand_back'; to: string; begun: boolean; epoch: number };

/** What one event does to a capsule. `state` is the very same object where nothing changed. */
export interface Change {
  state: State;
  writes: Write[];
  replies: Reply[];
  /** How nodes behaved, for their health. */
  notes: Note[];
}

export type Note =
  | { kind: 'succeeded'; node: string }
  | { kind: 'failed'; node: string; code: string }
  | { kind: 'busy'; node: string; retryAfterMs: number }
  | { kind: 'silent'; node: string }
  /** It had the work, and its connection or its heartbeats stopped. */
  | { kind: 'lost'; node: string }
  /** It said that no retry would help, and another node completed it. */
  | { kind: 'disproved'; node: string };
