import { type Static, Type } from 'typebox';
import { closed, Epoch, Hex32, Hex64, Identity, Price, TimestampMs } from '../../common/v1/schema.ts';

/**
 * A lease: the coordinator's grant to one executor (design "Assignment"). Where results go follows from the capsule's
 * submitter. `signature` is the coordinator's; it may be left out where the authenticated connection says as much.
 */
export const Assignment = Type.Object(
  {
    capsuleId: Hex32,
    /** Identity of the node that may execute. */
    executor: Identity,
    /** Counts up with every grant of one coordinator; repeated in the receipt (a fencing token). */
    epoch: Epoch,
    /** The most that success costs, in credits; 0 where nobody pays. */
    price: Price,
    grantedAt: TimestampMs,
    expiresAt: TimestampMs,
    /** Identity of the node that grants; the key of `signature`. */
    coordinator: Identity,
    signature: Type.Optional(Hex64),
  },
  closed,
);
export type Assignment = Static<typeof Assignment>;
