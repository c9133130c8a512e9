import { type Static, Type } from 'typebox';
import { Assignment } from '../../assignment/v1/schema.ts';
import { Capsule } from '../../capsule/v1/schema.ts';
import { LIMITS } from '../../common/v1/limits.ts';
import {
  CapabilityName,
  Epoch,
  Hex32,
  Hex64,
  NodeId,
  nullable,
  Price,
  Ring,
  TimestampMs,
  WireError,
} from '../../common/v1/schema.ts';
import { Receipt } from '../../receipt/v1/schema.ts';
import { Settlement } from '../../settlement/v1/schema.ts';

/*
 * Messages admit unknown fields, since a newer node may say more; the signed documents inside do not
 * (design "Common rules"). What is said of a capsule is told apart by its id and the peer; other questions carry an
 * `exchangeId` that the asker chooses.
 */
const exchangeId = Type.String({ minLength: 1, maxLength: LIMITS.exchangeIdChars });
const Sequence = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** 0: whichever lease it has. */
const AnyEpoch = Type.Integer({ minimum: 0, maximum: LIMITS.maxEpoch });
const latencySeconds = Type.Number({ minimum: 0, maximum: 86_400 });

/** Whether one piece of work may be run a second time, here or elsewhere, without doing harm. */
const idempotent = Type.Boolean();
/** Free-form facts a person or a chooser may want, such as the models behind `ai.chat`. */
const detail = Type.Optional(Type.Record(Type.String(), Type.Unknown()));

export const Offer = Type.Object({
  capabilityId: CapabilityName,
  price: Price,
  estimatedLatency: latencySeconds,
  locality: Ring,
  idempotent,
  detail,
});
export type Offer = Static<typeof Offer>;

/** One run of a node, from start to stop. */
export const NodeSession = Type.Object({
  /** Random, made at the start. */
  id: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  startedAt: TimestampMs,
  /** By the node's key, over this and the `nodeId`, `sequence` and `timestamp` beside it (protocol "Sessions"). */
  signature: Hex64,
});
export type NodeSession = Static<typeof NodeSession>;

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
  session: Type.Optional(NodeSession),
});
export type CapabilityAdvertisement = Static<typeof CapabilityAdvertisement>;

/** What an advertisement says of its session, shown to whoever goes by that node id (protocol "Sessions"). */
export const SessionNote = Type.Object({
  nodeId: NodeId,
  sequence: Sequence,
  timestamp: TimestampMs,
  session: NodeSession,
});
export type SessionNote = Static<typeof SessionNote>;

export const CapsuleSummary = Type.Object({
  id: Hex32,
  requestedCapability: CapabilityName,
  privacyRule: Type.String({ maxLength: 32 }),
  amount: nullable(Price),
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

export const Bid = Type.Object({ price: Price, estimatedLatency: latencySeconds, idempotent, detail });
export type Bid = Static<typeof Bid>;

/** An offer to run what was announced; one without a bid is ignored. */
export const CapsuleRequest = Type.Object({
  type: Type.Literal('capsule_request'),
  capsuleIds: Type.Array(Hex32, { minItems: 1, maxItems: LIMITS.idsPerMessage }),
  bid: Type.Optional(Bid),
});
/**
 * One link between a capsule that its origin did not sign and the one that it did: that the parent was executed, under
 * whose lease, and with which result.
 */
export const Proof = Type.Object({
  parent: Capsule,
  lease: Assignment,
  receipt: Receipt,
  result: Type.Unknown(),
});
export type Proof = Static<typeof Proof>;
/** With an assignment an order to execute; `proofs` go from the capsule that the origin signed to the parent. */
export const CapsuleData = Type.Object({
  type: Type.Literal('capsule_data'),
  capsule: Capsule,
  proofs: Type.Optional(Type.Array(Proof, { maxItems: LIMITS.chainDepth })),
  assignment: Type.Optional(Assignment),
});
/** Takes an order, acknowledges a result that needs no settlement, or confirms that a cancel is durable. */
export const CapsuleAccept = Type.Object({
  type: Type.Literal('capsule_accept'),
  capsuleId: Hex32,
  of: Type.Union([Type.Literal('order'), Type.Literal('result'), Type.Literal('cancel')]),
  epoch: AnyEpoch,
});
export const CapsuleDecline = Type.Object({
  type: Type.Literal('capsule_decline'),
  capsuleId: nullable(Hex32),
  /** The type of the message that is declined, as its sender wrote it. */
  of: Type.String({ maxLength: LIMITS.messageTypeChars }),
  epoch: Type.Optional(AnyEpoch),
  ...WireError.properties,
  code: Type.String({ maxLength: 64 }),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600_000 })),
  /** Queued and running over capacity, 0 to 1 and beyond. */
  load: Type.Number({ minimum: 0, maximum: 1_000_000 }),
  /** With `conflict`: the execution that was accepted instead. */
  winner: Type.Optional(Type.Object({ receipt: Receipt, lease: Assignment })),
});
/** A heartbeat puts off that the work is given to another; `delta` is streamed text; `stage` is a word for a person. */
export const CapsuleProgress = Type.Object({
  type: Type.Literal('capsule_progress'),
  capsuleId: Hex32,
  epoch: Epoch,
  /** Counts the deltas of an epoch from 0; without a `delta`, how many there were. */
  seq: Sequence,
  delta: Type.Optional(Type.String({ maxLength: 65_536 })),
  stage: Type.Optional(Type.String({ maxLength: 128 })),
});
/** Asks once more for the deltas of an epoch from `from` on, as far as the executor still has them. */
export const CapsuleProgressRequest = Type.Object({
  type: Type.Literal('capsule_progress_request'),
  capsuleId: Hex32,
  epoch: Epoch,
  from: Sequence,
});
/** A coordinator that is not the submitter gets it without `result`. */
export const CapsuleResult = Type.Object({
  type: Type.Literal('capsule_result'),
  capsuleId: Hex32,
  status: Type.Union([Type.Literal('completed'), Type.Literal('failed')]),
  result: Type.Optional(Type.Unknown()),
  error: Type.Optional(WireError),
  receipt: Receipt,
  /** The lease under which it ran. */
  assignment: Assignment,
});
export const CapsuleSettlement = Type.Object({
  type: Type.Literal('capsule_settlement'),
  capsuleId: Hex32,
  settlement: Settlement,
});
export const CapsuleCancel = Type.Object({
  type: Type.Literal('capsule_cancel'),
  capsuleId: Hex32,
  epoch: AnyEpoch,
});
/** "What became of it?" after a restart: answered by progress, result or `capsule_decline` `not_found`. */
export const CapsuleResultRequest = Type.Object({
  type: Type.Literal('capsule_result_request'),
  capsuleId: Hex32,
  /** Of the lease that is asked about: who does not know it declines it from then on, and says so. */
  epoch: Type.Optional(AnyEpoch),
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
  capsule_progress_request: CapsuleProgressRequest,
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
