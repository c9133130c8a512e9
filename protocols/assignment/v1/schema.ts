import { type Static, Type } from 'typebox';
import { closed, Hex32, Hex64, Identity, NodeId, TimestampMs } from '../../common/v1/schema.ts';

/** A lease: the coordinator's grant to one executor (design "Assignment"). `signature` is the coordinator's. */
export const Assignment = Type.Object(
  {
    capsuleId: Hex32,
    /** Identity of the node that may execute. */
    executor: Identity,
    /** Counts up with every grant; repeated in the receipt (a fencing token). */
    epoch: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    expiresAt: TimestampMs,
    /** Node where the workflow was submitted: the payer, and the reader of every result. */
    replyTo: NodeId,
    /** Identity of the node that grants; the key of `signature`. */
    coordinator: Identity,
    signature: Hex64,
  },
  closed,
);
export type Assignment = Static<typeof Assignment>;
