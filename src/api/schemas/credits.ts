import { type Static, Type } from 'typebox';
import { nullable, TimestampMs } from '../../../protocols/common/v1/schema.ts';

const credits = (description: string) =>
  Type.Number({ description: `${description} Credits, at most 6 decimals.` });

export const Credits = Type.Object({
  identity: Type.String({ description: 'This node’s own account.' }),
  balance: credits('What this node’s account holds.'),
  limit: credits('What an identity may owe this node that the operator did not name.'),
  accounts: Type.Array(
    Type.Object({
      account: Type.String(),
      balance: credits('Earned less paid.'),
      disputed: credits('Of what it owes, what it says it does not.'),
    }),
    { description: 'One page of them.' },
  ),
  cursor: { ...nullable(Type.String()), description: 'Of `accounts`; null on the last page.' },
});

export const LedgerEntry = Type.Object({
  sequence: Type.Integer({ minimum: 1 }),
  reference: Type.String({
    description: '`capsule:<id>`, `reversal:<id>`, `dispute:<id>` or `grant:<id>`; booked once ever.',
  }),
  debit: Type.String(),
  credit: Type.String(),
  amount: credits('Moves from `debit` to `credit`; 0 in a dispute.'),
  microAmount: Type.Integer({ description: 'The same in millionths, as it is booked.' }),
  receiptHash: nullable(Type.String()),
  at: TimestampMs,
  previousHash: Type.String(),
  entryHash: Type.String(),
});

export const LedgerVerification = Type.Object({
  ok: Type.Boolean(),
  entries: Type.Integer(),
  problems: Type.Array(Type.String()),
});

const booking = Type.Object({
  debit: Type.String(),
  credit: Type.String(),
  microAmount: Type.Integer(),
  receiptHash: nullable(Type.String()),
});

/** Two nodes' books of what is between them, compared reference by reference. */
export const Reconciliation = Type.Object({
  nodeId: Type.String(),
  agree: Type.Boolean(),
  entriesHere: Type.Integer(),
  entriesThere: Type.Integer(),
  differences: Type.Array(
    Type.Object({
      reference: Type.String(),
      kind: Type.Enum(['missing_here', 'missing_there', 'amount_differs', 'parties_differ']),
      here: nullable(booking),
      there: nullable(booking),
    }),
  ),
  moreDifferences: Type.Integer({ description: 'More than `differences` names.' }),
});
export type Reconciliation = Static<typeof Reconciliation>;
