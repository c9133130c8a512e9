import { type Static, type TSchema, Type } from 'typebox';
import { LIMITS } from './limits.ts';

/** A signed document admits no field it does not name (design "Common rules": fail closed). */
export const closed = { additionalProperties: false } as const;

export const Hex32 = Type.String({ pattern: '^[0-9a-f]{64}$' });
export const Hex64 = Type.String({ pattern: '^[0-9a-f]{128}$' });
/** 64-hex Ed25519 public key. */
export const Identity = Hex32;
/** A libp2p Ed25519 peer id: base58btc, always 52 characters starting `12D3KooW`. */
export const NodeId = Type.String({ pattern: '^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$' });
/** Milliseconds since the epoch. */
export const TimestampMs = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Counts the leases of one capsule by one coordinator, from 1. */
export const Epoch = Type.Integer({ minimum: 1, maximum: LIMITS.maxEpoch });
/** Credits, 0 included; the six-decimals rule is checked beside the schema, since JSON Schema's is inexact. */
export const Price = Type.Number({ minimum: 0, maximum: LIMITS.maxAmountCredits });
export const CapabilityName = Type.String({
  pattern: '^[a-z][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)+$',
  maxLength: LIMITS.capabilityNameChars,
});
export const Ring = Type.Union([
  Type.Literal('local'),
  Type.Literal('ring1'),
  Type.Literal('ring2'),
  Type.Literal('global'),
]);
export type Ring = Static<typeof Ring>;

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };
/** Any JSON object; that its members are JSON is what the parser saw to. */
export const JsonObject = Type.Unsafe<JsonObject>(Type.Record(Type.String(), Type.Unknown()));

/** A code this node may not know yet, so the shape only; `isErrorCode` tells the known ones. */
const ErrorCodeText = Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' });
export const WireError = Type.Object({
  code: ErrorCodeText,
  message: Type.String({ maxLength: LIMITS.errorMessageChars }),
  detail: Type.Optional(Type.Unknown()),
});
export type WireError = Static<typeof WireError>;
/** The error inside a signed document: no detail, nothing else. */
export const SignedError = Type.Object(
  { code: ErrorCodeText, message: Type.String({ maxLength: LIMITS.errorMessageChars }) },
  closed,
);

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
