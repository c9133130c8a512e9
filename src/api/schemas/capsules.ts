import { type Static, type TSchema, Type } from 'typebox';
import {
  CAPSULE_VERSION,
  ExecutionPolicy,
  NextStep,
  PaymentRule,
  PrivacyRule,
} from '../../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import {
  CapabilityName,
  closed,
  Hex32,
  Identity,
  JsonObject,
  nullable,
  Ring,
  TimestampMs,
} from '../../../protocols/common/v1/schema.ts';
import { CAPSULE_STATUSES, SHARES } from '../../store/types.ts';
import { CapsuleRef, ErrorRef, NextStepRef, named, ReceiptRef } from './shared.ts';

export const CapsuleStatus = Type.Enum([...CAPSULE_STATUSES]);

const draft = <T extends TSchema>(nextStep: T) =>
  Type.Object(
    {
      version: Type.Optional(Type.Literal(CAPSULE_VERSION)),
      timestamp: Type.Optional(TimestampMs),
      originIdentity: Type.Optional(Identity),
      requestedCapability: CapabilityName,
      payload: JsonObject,
      paymentRule: Type.Optional(nullable(PaymentRule)),
      privacyRule: Type.Optional(PrivacyRule),
      executionPolicy: Type.Optional(nullable(ExecutionPolicy)),
      next: Type.Optional(nullable(Type.Array(nextStep, { maxItems: LIMITS.nextSteps }))),
      chainDepth: Type.Optional(nullable(Type.Literal(0))),
      parentCapsule: Type.Optional(Type.Null()),
    },
    {
      ...closed,
      description: 'A capsule without id and signature: the node completes it and signs it as itself.',
    },
  );
/** What validates a draft. */
export const CapsuleDraft = draft(NextStep);
export type CapsuleDraft = Static<typeof CapsuleDraft>;
/** The same with named parts, for the API's description. */
export const PublishedCapsuleDraft = draft(NextStepRef);

const HistoryEntry = Type.Object({
  at: TimestampMs,
  status: CapsuleStatus,
  note: Type.Optional(Type.String()),
});

export const CapsuleRecord = Type.Object({
  id: Hex32,
  status: CapsuleStatus,
  originIdentity: Identity,
  requestedCapability: Type.String(),
  parentCapsule: nullable(Hex32),
  chainDepth: Type.Integer(),
  root: Hex32,
  timestamp: TimestampMs,
  receivedAt: TimestampMs,
  updatedAt: TimestampMs,
  expiresAt: TimestampMs,
  submitter: Type.String(),
  coordinator: Type.String(),
  executor: nullable(Type.String()),
  epoch: Type.Integer(),
  attempts: Type.Integer(),
  error: nullable(ErrorRef),
  receiptHash: nullable(Hex32),
  steps: Type.Array(Type.Object({ child: nullable(Hex32), error: nullable(ErrorRef) })),
  share: Type.Enum([...SHARES], { description: 'Whose share of the node it counts against.' }),
  bytes: Type.Integer({ description: 'Stored for it: capsule and result.' }),
  principal: Type.Optional({
    ...nullable(Type.String()),
    description: 'Who submitted it here: the name of a token, or `owner`. Null where it came from elsewhere.',
  }),
  open: Type.Boolean({ description: 'It is unfinished here, or a result of it is still to be delivered.' }),
  history: Type.Array(HistoryEntry),
});

export const CapsuleView = Type.Object({
  id: Hex32,
  status: CapsuleStatus,
  executor: nullable(Type.String()),
  result: Type.Unknown(),
  error: nullable(ErrorRef),
  receipt: nullable(ReceiptRef),
  children: Type.Array(Hex32),
  waiting: nullable(
    Type.Object(
      {
        reason: ErrorRef,
        until: TimestampMs,
        again: nullable({ ...TimestampMs, description: 'When a node that failed is tried once more.' }),
      },
      { description: 'Why no node executes it now. Null where it does not wait.' },
    ),
  ),
  only: { ...nullable(Type.String()), description: 'The only node that may execute it.' },
  record: CapsuleRecord,
  capsule: CapsuleRef,
});
export type CapsuleView = Static<typeof CapsuleView>;
export const CapsuleViewRef = named<CapsuleView>('CapsuleView');

const candidate = Type.Object({
  nodeId: Type.String({ description: '`local` stands for this node.' }),
  score: Type.Number(),
  price: Type.Number(),
  latencySeconds: Type.Number(),
  ring: Ring,
  proven: Type.Boolean({ description: 'Whether this node ever shook hands with it.' }),
  idempotent: Type.Boolean({ description: 'Whether it may run the same work twice.' }),
  reason: Type.String(),
});

export const Decision = Type.Object({
  at: TimestampMs,
  capsuleId: Hex32,
  capabilityId: Type.String(),
  ranking: Type.Array(candidate, { description: 'Best first.' }),
  excluded: Type.Array(
    Type.Object({
      nodeId: Type.String(),
      reason: Type.String(),
      note: Type.Optional(Type.String({ description: 'What it gave as its reason when it was asked.' })),
    }),
  ),
  excludedBy: Type.Record(Type.String(), Type.Integer(), { description: 'How many, by reason.' }),
  providersKnown: Type.Integer(),
  weights: Type.Object({ price: Type.Number(), latency: Type.Number(), distance: Type.Number() }),
  leastBad: Type.Boolean(),
});

const moment = { sequence: Type.Integer(), at: TimestampMs, capsuleId: Hex32 };
/** The `data` of a server-sent event; `event` repeats its `type`. */
export const MeshEvent = Type.Union([
  Type.Object({
    ...moment,
    type: Type.Literal('status'),
    status: CapsuleStatus,
    executor: nullable(Type.String()),
    note: Type.Optional(Type.String()),
  }),
  Type.Object({
    ...moment,
    type: Type.Literal('progress'),
    epoch: Type.Integer({ description: 'The text of another epoch begins anew.' }),
    missing: Type.Optional(Type.Integer({ description: 'Number of deltas before this one that are lost.' })),
    delta: Type.Optional(Type.String()),
    number: Type.Optional(
      Type.Integer({
        description: 'Place of the delta in the text of its epoch, from 0; there with `delta`.',
      }),
    ),
    stage: Type.Optional(Type.String()),
  }),
  Type.Object({
    ...moment,
    type: Type.Literal('done'),
    status: Type.Enum(['completed', 'failed']),
    error: nullable(ErrorRef),
  }),
]);
export type MeshEvent = Static<typeof MeshEvent>;
export const MeshEventRef = named<MeshEvent>('MeshEvent');

export const WorkflowNode = Type.Object({
  /** Null for a step that could not become a capsule. */
  id: nullable(Hex32),
  requestedCapability: Type.String(),
  status: CapsuleStatus,
  executor: nullable(Type.String()),
  error: nullable(ErrorRef),
  receiptHash: nullable(Hex32),
  children: Type.Array(Type.Ref('WorkflowNode#')),
});
/** Of a schema that contains itself: the reference is told where it leads. */
export type WorkflowStep = Static<typeof WorkflowNode, { 'WorkflowNode#': typeof WorkflowNode }>;

export const Workflow = Type.Object({
  root: Hex32,
  status: CapsuleStatus,
  receivedAt: TimestampMs,
  steps: Type.Integer(),
  tree: named<WorkflowStep>('WorkflowNode'),
});
export type Workflow = Static<typeof Workflow>;
