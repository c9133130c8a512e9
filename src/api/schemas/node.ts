import { type Static, Type } from 'typebox';
import { JsonObject, nullable, Ring, TimestampMs } from '../../../protocols/common/v1/schema.ts';
import { CapabilityManifest, ManifestCapability } from '../../../protocols/manifest/v1/schema.ts';
import { ReceiptRef } from './shared.ts';

/** What a node says about itself; the daemon gathers it. */
export const NodeStatus = Type.Object({
  nodeId: Type.String(),
  identity: Type.String({ description: '64-hex Ed25519 public key.' }),
  version: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  startedAt: TimestampMs,
  uptimeMs: Type.Integer(),
  addresses: Type.Array(Type.String(), { description: 'Multiaddrs under which others reach it.' }),
  peers: Type.Integer(),
  capabilities: Type.Array(Type.String(), { description: 'On offer now.' }),
  capsules: Type.Record(Type.String(), Type.Integer(), { description: 'How many in each status.' }),
  load: Type.Number({ description: 'Running and queued over capacity; 1 and above means full.' }),
  memoryBytes: Type.Integer(),
  dataDirectory: Type.String(),
  warnings: Type.Array(Type.String(), {
    description: 'What its operator should see to, a sentence or two each.',
  }),
});
export type NodeStatus = Static<typeof NodeStatus>;

const remoteRing = Type.Enum(['ring1', 'ring2', 'global']);

export const Peer = Type.Object({
  nodeId: Type.String(),
  addresses: Type.Array(Type.String()),
  direction: Type.Enum(['inbound', 'outbound']),
  roundTripMs: nullable(Type.Number()),
  ring: remoteRing,
  connectedAt: TimestampMs,
});

export const Provider = Type.Object({
  nodeId: Type.String(),
  capabilityId: Type.String(),
  price: Type.Number({ description: 'Credits.' }),
  estimatedLatency: Type.Number({ description: 'Seconds.' }),
  ring: Ring,
  roundTripMs: Type.Number(),
  idempotent: Type.Boolean({ description: 'Whether the same work may be run a second time.' }),
  proven: Type.Boolean({ description: 'Whether this node ever shook hands with it.' }),
  ageMs: Type.Number({ description: 'Since its last advertisement.' }),
  detail: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});

const Offer = Type.Object({
  capability: ManifestCapability,
  module: Type.String(),
  price: Type.Number(),
  estimatedLatency: Type.Number(),
  detail: Type.Optional(JsonObject),
});

export const Module = Type.Object({
  manifest: CapabilityManifest,
  codeHash: Type.String(),
  state: Type.Enum(['ready', 'unavailable', 'safe_mode']),
  reason: nullable(Type.String({ description: 'Why it is not `ready`.' })),
});

export const Capabilities = Type.Object({
  modules: Type.Array(Module),
  offers: Type.Array(Offer, { description: 'On offer at this moment.' }),
});

export const Permission = Type.Object({
  module: Type.String(),
  permission: Type.String(),
  declared: Type.Boolean(),
  granted: Type.Boolean(),
});

export const ReceiptEntry = Type.Object({ sequence: Type.Integer({ minimum: 1 }), receipt: ReceiptRef });

export const ReceiptsVerification = Type.Object({
  ok: Type.Boolean(),
  receipts: Type.Integer(),
  problems: Type.Array(
    Type.Object({ sequence: Type.Integer(), receiptHash: nullable(Type.String()), problem: Type.String() }),
  ),
});
