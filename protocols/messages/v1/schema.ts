import { type Static, Type } from 'typebox';
import { Assignment } from '../../assignment/v1/schema.ts';
import { Capsule } from '../../capsule/v1/schema.ts';
import { LIMITS } from '../../common/v1/limits.ts';
import {
  CapabilityName,
  Hex32,
  Hex64,
  NodeId,
  nullable,
  Ring,
  TimestampMs,
  WireError,
} from '../../common/v1/schema.ts';
import { Receipt } from '../../receipt/v1/schema.ts';
import { Settlement } from '../../settlement/v1/schema.ts';

/*
 * Messages admit unknown fields, since a newer node may say more; the signed documents inside do not
 * (design "Common rules"). `exchangeId` correlates a conversation on the stream; the asker chooses it.
 */
const exchangeId = Type.String({ minLength: 1, maxLength: LIMITS.exchangeIdChars });
const price = Type.Number({ minimum: 0, maximum: LIMITS.maxAmountCredits });
const latencySeconds = Type.Number({ minimum: 0, maximum: 86_400 });

/** Whether one piece of work may be run a second time, here or elsewhere, without doing harm. */
const idempotent = Type.Boolean();
/** Free-form facts a person or a chooser may want, such as the models behind `ai.chat`. */
const detail = Type.Optional(Type.Record(Type.String(), Type.Unknown()));

export const Offer = Type.Object({
  capabilityId: CapabilityName,
  price,
  estimatedLatency: latencySeconds,
  locality: Ring,
  idempotent,
  detail,
});
export type Offer = Static<typeof Offer>;

export const CapabilityAdvertisement = Type.Object({
  type: Type.Literal('capability_advertisement'),
  nodeId: NodeId,
  /** X25519 public key that sealed payloads are meant for; null until the node offers one. */
  encryptionKey: nullable(Hex32),
  capabilities: Type.Array(Offer, { maxItems: LIMITS.capabilitiesPerAdvertisement }),
  /** Multiaddrs that the sender can be dialled at, with its peer id or without. */
  addresses: Type.Optional(
    Type.Array(Type.String({ maxLength: LIMITS.addressChars }), {
      maxItems: LIMITS.addressesPerAdvertisement,
    }),
  ),
  sequence: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  timestamp: TimestampMs,
});
export type CapabilityAdvertisement = Static<typeof CapabilityAdvertisement>;

export const CapsuleSummary = Type.Object({
  id: Hex32,
  requestedCapability: CapabilityName,
  privacyRule: Type.String({ maxLength: 32 }),
  amount: nullable(price),
  expiresAt: nullable(TimestampMs),
  bytes: Type.Integer({ minimum: 0, maximum: LIMITS.capsuleBytes }),
});
export type CapsuleSummary = Static<typeof CapsuleSummary>;

export const CapsuleAnnounce = Type.Object({
  type: Type.Literal('capsule_announce'),
  nodeId: NodeId,
  capsuleIds: Type.Array(Hex32, { minItems: 1, maxItems: LIMITS.idsPerMessage }),
  capsuleSummaries: Type.Array(CapsuleSummary, { minItems: 1, maxItems: LIMITS.idsPerMessage }),
});
export type CapsuleAnnounce = Static<typeof CapsuleAnnounce>;

/** What one topic carries. */
export const GossipMessage = Type.Union([CapabilityAdvertisement, CapsuleAnnounce]);
export type GossipMessage = Static<typeof GossipMessage>;

export const Bid = Type.Object({ price, estimatedLatency: latencySeconds, idempotent, detail });
export type Bid = Static<typeof Bid>;

/** An offer to run what was announced; one without a bid is ignored. */
export const CapsuleRequest = Type.Object({
  type: Type.Literal('capsule_request'),
  exchangeId,
  capsuleIds: Type.Array(Hex32, { minItems: 1, maxItems: LIMITS.idsPerMessage }),
  bid: Type.Optional(Bid),
});
export const CapsuleData = Type.Object({
  type: Type.Literal('capsule_data'),
  exchangeId,
  capsule: Capsule,
  assignment: Type.Optional(Assignment),
});
/**
 * Takes an order. Also acknowledges a `capsule_result` that needs no settlement from this receiver; where the result
 * is unpaid, and this its payer's word, it releases the next steps that the executor holds.
 */
export const CapsuleAccept = Type.Object({
  type: Type.Literal('capsule_accept'),
  exchangeId,
  capsuleId: Hex32,
});
export const CapsuleDecline = Type.Object({
  type: Type.Literal('capsule_decline'),
  exchangeId,
  capsuleId: nullable(Hex32),
  code: Type.String({ maxLength: 64 }),
  message: Type.String({ maxLength: LIMITS.errorMessageChars }),
  detail: Type.Optional(Type.Unknown()),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600_000 })),
  /** Queued and running over capacity, 0 to 1 and beyond. */
  load: Type.Number({ minimum: 0, maximum: 1_000_000 }),
});
/** A heartbeat renews the lease; `delta` is streamed text; `stage` is a word for a person. */
export const CapsuleProgress = Type.Object({
  type: Type.Literal('capsule_progress'),
  exchangeId,
  capsuleId: Hex32,
  epoch: Type.Integer({ minimum: 1 }),
  seq: Type.Integer({ minimum: 0 }),
  delta: Type.Optional(Type.String({ maxLength: 65_536 })),
  stage: Type.Optional(Type.String({ maxLength: 128 })),
  /** The lease, for a receiver that did not grant it: proves that the sender executes. */
  assignment: Type.Optional(Assignment),
});
/**
 * A child is a function of parent, receipt, result and step, so its id and the spawner's signature are all
 * that must travel: the receiver derives the rest and checks both.
 */
export const SpawnedCapsule = Type.Object({
  step: Type.Integer({ minimum: 0, maximum: LIMITS.nextSteps - 1 }),
  id: Hex32,
  signature: Hex64,
});
export type SpawnedCapsule = Static<typeof SpawnedCapsule>;
export const CapsuleResult = Type.Object({
  type: Type.Literal('capsule_result'),
  exchangeId,
  capsuleId: Hex32,
  status: Type.Union([Type.Literal('completed'), Type.Literal('failed')]),
  result: Type.Optional(Type.Unknown()),
  error: Type.Optional(WireError),
  /** Null only where a coordinator reports that it gave up before anybody ran it. */
  receipt: nullable(Receipt),
  /** The lease under which it ran: proves to a receiver that did not grant it that it was granted. */
  assignment: nullable(Assignment),
  spawned: Type.Array(SpawnedCapsule, { maxItems: LIMITS.nextSteps }),
});
export const CapsuleSettlement = Type.Object({
  type: Type.Literal('capsule_settlement'),
  exchangeId,
  capsuleId: Hex32,
  settlement: Settlement,
});
export const CapsuleCancel = Type.Object({
  type: Type.Literal('capsule_cancel'),
  exchangeId,
  capsuleId: Hex32,
  epoch: Type.Integer({ minimum: 1 }),
});
/** "What became of it?" after a restart: answered by progress, result or `capsule_decline` `not_found`. */
export const CapsuleResultRequest = Type.Object({
  type: Type.Literal('capsule_result_request'),
  exchangeId,
  capsuleId: Hex32,
});
export const CapabilityQuery = Type.Object({ type: Type.Literal('capability_query'), exchangeId });
/** Asks for the entries between asker and answerer, oldest first, from the answerer's sequence `from` on. */
export const LedgerQuery = Type.Object({
  type: Type.Literal('ledger_query'),
  exchangeId,
  from: Type.Integer({ minimum: 0 }),
});
export const LedgerEntries = Type.Object({
  type: Type.Literal('ledger_entries'),
  exchangeId,
  entries: Type.Array(
    Type.Object({
      reference: Type.String({ maxLength: 128 }),
      /** Credits move from `debit` to `credit`. */
      debit: Hex32,
      credit: Hex32,
      microAmount: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      receiptHash: nullable(Hex32),
    }),
    { maxItems: 256 },
  ),
  next: nullable(Type.Integer({ minimum: 0 })),
});

/** Everything the exchange stream carries. An unknown `type` is declined by name, never guessed at. */
export const ExchangeMessages = {
  capsule_request: CapsuleRequest,
  capsule_data: CapsuleData,
  capsule_accept: CapsuleAccept,
  capsule_decline: CapsuleDecline,
  capsule_progress: CapsuleProgress,
  capsule_result: CapsuleResult,
  capsule_settlement: CapsuleSettlement,
  capsule_cancel: CapsuleCancel,
  capsule_result_request: CapsuleResultRequest,
  capability_query: CapabilityQuery,
  capability_advertisement: Type.Intersect([CapabilityAdvertisement, Type.Object({ exchangeId })]),
  ledger_query: LedgerQuery,
  ledger_entries: LedgerEntries,
} as const;

export type ExchangeMessageType = keyof typeof ExchangeMessages;
export type ExchangeMessageOf<T extends ExchangeMessageType> = Static<(typeof ExchangeMessages)[T]>;
export type ExchangeMessage = { [T in ExchangeMessageType]: ExchangeMessageOf<T> }[ExchangeMessageType];
