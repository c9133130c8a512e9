import { type Static, Type } from 'typebox';
import { nullable, TimestampMs } from '../../../protocols/common/v1/schema.ts';
import { SCOPES } from '../principal.ts';

/** A token as lists show it. */
export const Token = Type.Object({
  name: Type.String(),
  scope: Type.Enum([...SCOPES]),
  capabilities: { ...nullable(Type.Array(Type.String())), description: 'Null for all.' },
  spendPerDay: { ...nullable(Type.Number()), description: 'Credits; null for no limit.' },
  spentToday: Type.Number({ description: 'Credits: what its capsules of today (UTC) may cost at most.' }),
  underWay: Type.Integer({ description: 'Capsules of it that have not ended.' }),
  createdAt: TimestampMs,
  expiresAt: { ...nullable(TimestampMs), description: 'Null for never.' },
});
export type Token = Static<typeof Token>;
