import { Type } from 'typebox';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { CapabilityName, Identity, JsonObject, TimestampMs } from '../../protocols/common/v1/schema.ts';
import { GENESIS_HASH } from '../../protocols/receipt/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { canonicalJson, deepFreeze, describeProblem, jsonProblem } from '../lib/json.ts';
import type { Intent } from './capability.ts';
import type { IntentRequest } from './types.ts';

/** Paths of one payload that came from results; a payload of 1 MiB can hold no more that matter. */
const MAX_UNTRUSTED_PATHS = 4_096;
/** What a receipt names where the request named nothing that a receipt can hold. */
const UNNAMED_CAPABILITY = 'invalid.capability';
const UNNAMED_ACTION = 'invalid';

const Action = Type.String({ minLength: 1, maxLength: 128 });
const requestCheck = checkOf(
  Type.Object({
    capability: CapabilityName,
    action: Action,
    payload: JsonObject,
    raw: Type.String({ minLength: 1, maxLength: 256 }),
    timestamp: TimestampMs,
    untrusted: Type.Optional(Type.Array(Type.String(), { maxItems: MAX_UNTRUSTED_PATHS })),
    origin: Identity,
  }),
);
const nameCheck = checkOf(CapabilityName);
const actionCheck = checkOf(Action);

/** A request as far as it could be read; whatever it is, a receipt can name it. */
export interface ReadIntent {
  capabilityId: string;
  action: string;
  /** SHA-256 of the payload's canonical form; zeros where it has none. */
  inputHash: string;
  /** The frozen intent, or why there is none. */
  intent: Intent | MeshError;
}

/** Validates and freezes a request (node "One way for a capsule", first step). Never throws. */
export function readIntent(request: IntentRequest, crypto: Crypto): ReadIntent {
  const { capability, action } = request;
  const named = {
    capabilityId: nameCheck.accepts(capability) ? capability : UNNAMED_CAPABILITY,
    action: actionCheck.accepts(action) ? action.toWellFormed() : UNNAMED_ACTION,
  };
  const problem = jsonProblem(request.payload, LIMITS.jsonDepth);
  if (problem !== null) {
    const error = new MeshError('invalid_payload', describeProblem('The payload', problem));
    return { ...named, inputHash: GENESIS_HASH, intent: error };
  }
  const canonical = canonicalJson(request.payload);
  const intent = Buffer.byteLength(canonical) > LIMITS.capsuleBytes ? tooLarge() : toIntent(request);
  return { ...named, inputHash: crypto.sha256Hex(canonical), intent };
}

function toIntent(request: IntentRequest): Intent | MeshError {
  if (!requestCheck.accepts(request) || !request.action.isWellFormed()) {
    return new MeshError('invalid_request', `The intent is not valid: ${requestCheck.explain(request)}.`);
  }
  const { capability, action, payload, raw, timestamp, untrusted = [] } = request;
  return deepFreeze({ capability, action, payload, raw, timestamp, untrusted });
}

function tooLarge(): MeshError {
  return new MeshError('too_large', `A payload may have ${LIMITS.capsuleBytes} bytes at most.`);
}
