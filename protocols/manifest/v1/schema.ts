import { type Static, Type } from 'typebox';
import { LIMITS } from '../../common/v1/limits.ts';
import { CapabilityName, closed, JsonObject } from '../../common/v1/schema.ts';

/**
 * What a capability may ask to do. `network:<host>` and `network:<host>:<port>` name one host each;
 * `network:config` stands for the webhooks that the operator names. `seal` signs archives for the node's own identity,
 * `seal:others` together with it for everybody else.
 */
export const Permission = Type.String({
  pattern:
    '^(storage|models|blobs|progress|log|identity|seal(:others)?|network:(config|[a-z0-9.-]+(:[0-9]{1,5})?))$',
  maxLength: 256,
});

/** One thing a node can be asked for. Prices in credits, latency in seconds. */
export const ManifestCapability = Type.Object(
  {
    id: CapabilityName,
    /** The action that runs when the capsule's payload names none; one of the manifest's `intents`. */
    intent: Type.String({ minLength: 1, maxLength: 128 }),
    description: Type.Optional(Type.String({ maxLength: 500 })),
    /** JSON Schema of the intent's payload, enforced before the code is reached. */
    input: JsonObject,
    /** JSON Schema of the result, enforced before a receipt says `completed`. */
    output: JsonObject,
    price: Type.Number({ minimum: 0, maximum: LIMITS.maxAmountCredits }),
    /** First guess, replaced by what this node measures. */
    estimatedLatency: Type.Number({ minimum: 0, maximum: 86_400 }),
    /** Whether running it again after an interruption does no harm. */
    idempotent: Type.Boolean(),
    streaming: Type.Boolean(),
    maxConcurrent: Type.Integer({ minimum: 1, maximum: 1024 }),
  },
  closed,
);
export type ManifestCapability = Static<typeof ManifestCapability>;

/** `capabilities/<name>/manifest.json` (design "Capabilities"). */
export const CapabilityManifest = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
    version: Type.String({ pattern: '^[0-9]+\\.[0-9]+\\.[0-9]+$' }),
    description: Type.String({ maxLength: 500 }),
    intents: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 64 }),
    permissions: Type.Array(Permission, { maxItems: 64 }),
    capabilities: Type.Array(ManifestCapability, { minItems: 1, maxItems: 64 }),
  },
  closed,
);
export type CapabilityManifest = Static<typeof CapabilityManifest>;
