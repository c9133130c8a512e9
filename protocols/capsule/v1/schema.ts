import { type Static, Type } from 'typebox';
import { LIMITS } from '../../common/v1/limits.ts';
import {
  CapabilityName,
  closed,
  Hex32,
  Hex64,
  Identity,
  JsonObject,
  nullable,
  Ring,
  TimestampMs,
} from '../../common/v1/schema.ts';
import { Receipt } from '../../receipt/v1/schema.ts';

export const CAPSULE_VERSION = 1;

/** `amount` in credits; the six-decimals rule is checked beside the schema, since JSON Schema's is inexact. */
export const PaymentRule = Type.Object(
  {
    type: Type.Literal('credit'),
    amount: Type.Number({ exclusiveMinimum: 0, maximum: LIMITS.maxAmountCredits }),
    requirePrepay: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type PaymentRule = Static<typeof PaymentRule>;

export const PrivacyRule = Type.Union([
  Type.Literal('public'),
  Type.Literal('restricted'),
  Type.Literal('encrypted'),
]);
export type PrivacyRule = Static<typeof PrivacyRule>;

export const ExecutionPolicy = Type.Object(
  {
    maxRetries: Type.Optional(Type.Integer({ minimum: 0, maximum: LIMITS.maxRetries })),
    /** Milliseconds one attempt may run. */
    timeout: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxTimeoutMs })),
    preferredLocality: Type.Optional(Ring),
    expiresAt: Type.Optional(TimestampMs),
    continueAt: Type.Optional(Type.Union([Type.Literal('executor'), Type.Literal('origin')])),
  },
  closed,
);
export type ExecutionPolicy = Static<typeof ExecutionPolicy>;

const nextSteps = Type.Array(Type.Ref('NextStep'), { maxItems: LIMITS.nextSteps });

const nextStep = Type.Object(
  {
    requestedCapability: CapabilityName,
    payloadTemplate: JsonObject,
    /** Absent: the parent's rule. `null`: none. */
    paymentRule: Type.Optional(nullable(PaymentRule)),
    executionPolicy: Type.Optional(nullable(ExecutionPolicy)),
    next: Type.Optional(nullable(nextSteps)),
  },
  closed,
);

/** A spawned capsule's proof of its right to exist (design "Spawned capsules"). */
const delegation = Type.Object(
  {
    /** Identity of the node that executed the parent and signed this capsule. */
    spawner: Identity,
    /** Which of the parent's `next` steps this is, counted from 0. */
    step: Type.Integer({ minimum: 0, maximum: LIMITS.nextSteps - 1 }),
    parent: Type.Ref('Capsule'),
    receipt: Receipt,
    result: Type.Unknown(),
  },
  closed,
);

const capsule = Type.Object(
  {
    id: Hex32,
    version: Type.Literal(CAPSULE_VERSION),
    timestamp: TimestampMs,
    originIdentity: Identity,
    requestedCapability: CapabilityName,
    payload: JsonObject,
    paymentRule: nullable(PaymentRule),
    privacyRule: PrivacyRule,
    executionPolicy: nullable(ExecutionPolicy),
    next: nullable(nextSteps),
    chainDepth: nullable(Type.Integer({ minimum: 0, maximum: LIMITS.chainDepth })),
    parentCapsule: nullable(Hex32),
    delegation: Type.Optional(delegation),
    signature: Hex64,
  },
  closed,
);

const definitions = { NextStep: nextStep, Capsule: capsule };
export const NextStep = Type.Cyclic(definitions, 'NextStep');
export type NextStep = Static<typeof NextStep>;
export const Capsule = Type.Cyclic(definitions, 'Capsule');
export type Capsule = Static<typeof Capsule>;
export type Delegation = NonNullable<Capsule['delegation']>;
/** What `create` gives and `sign` takes. */
export type UnsignedCapsule = Omit<Capsule, 'id' | 'signature'>;
