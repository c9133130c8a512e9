import { type Static, Type } from 'typebox';
import { LIMITS } from '../../common/v1/limits.ts';
import { closed, Hex32, Hex64, Identity } from '../../common/v1/schema.ts';

/** The payer's countersignature of an accepted receipt (design "Messages"); `amount` in credits, 0 if unpaid. */
export const Settlement = Type.Object(
  {
    receiptHash: Hex32,
    amount: Type.Number({ minimum: 0, maximum: LIMITS.maxAmountCredits }),
    payer: Identity,
    payee: Identity,
    signature: Hex64,
  },
  closed,
);
export type Settlement = Static<typeof Settlement>;
