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

export const CAPSULE_VERSION = 1;

/** `amount` in credits; the six-decimals rule is checked beside the schema, since JSON Schema's is inexact. */
export const PaymentRule = Type.Object(
  {
    type: Type.Literal('credit'),
    amount: Type.Number({ exclusiveMinimum: 0, maximum: LIMITS.maxAmountCredits }),
    requirePrepay: Type.Optional(Type.Boolean()),
    /** What the executor earns: the amount, as where this is absent, or the price that it had offered, up to the amount. */
    charge: Type.Optional(Type.Union([Type.Literal('amount'), Type.Literal('price')])),
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

const policyFields = {
  maxRetries: Type.Optional(Type.Integer({ minimum: 0, maximum: LIMITS.maxRetries })),
  /** Milliseconds one attempt may run. */
  timeout: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxTimeoutMs })),
  preferredLocality: Type.Optional(Ring),
  expiresAt: Type.Optional(TimestampMs),
  /** The work may not run a second time, whatever the offer says. */
  atMostOnce: Type.Optional(Type.Literal(true)),
  /** Who continues with the next steps; absent: the submitter. */
  continueAt: Type.Optional(Type.Union([Type.Literal('submitter'), Type.Literal('executor')])),
};

/** A step's own policy: the submitter of a chain is its root's to name. */
export const StepPolicy = Type.Object(policyFields, closed);
export type StepPolicy = Static<typeof StepPolicy>;

export const ExecutionPolicy = Type.Object(
  {
    ...policyFields,
    /** Who coordinates and gets the results; absent: the origin. */
    submitter: Type.Optional(Identity),
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
    executionPolicy: Type.Optional(nullable(StepPolicy)),
    next: Type.Optional(nullable(nextSteps)),
  },
  closed,
);

/** What a spawned capsule was made of (design "Next steps"): with these at hand anyone can make it again. */
export const Lineage = Type.Object(
  {
    /** Which of the parent's `next` steps this is, counted from 0. */
    step: Type.Integer({ minimum: 0, maximum: LIMITS.nextSteps - 1 }),
    /** Id of the parent. */
    parent: Hex32,
    /** `receiptHash` of the parent's execution. */
    receipt: Hex32,
    /** Hash of its result. */
    result: Hex32,
    /** Dotted paths of the payload, sorted, each standing for all beneath it, that came from the result. */
    paths: Type.Array(Type.String(), { maxItems: LIMITS.lineagePaths }),
  },
  closed,
);
export type Lineage = Static<typeof Lineage>;

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
    lineage: Type.Optional(Lineage),
    /** Who signed in the origin's place: the submitter, or the executor of the parent. Not covered by the id. */
    signer: Type.Optional(Identity),
    signature: Hex64,
  },
  closed,
);

const definitions = { NextStep: nextStep, Capsule: capsule };
export const NextStep = Type.Cyclic(definitions, 'NextStep');
export type NextStep = Static<typeof NextStep>;
export const Capsule = Type.Cyclic(definitions, 'Capsule');
export type Capsule = Static<typeof Capsule>;
/** What `create` gives and `sign` takes. */
export type UnsignedCapsule = Omit<Capsule, 'id' | 'signer' | 'signature'>;
