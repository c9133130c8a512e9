import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { isObject } from '../lib/json.ts';
import { hashJson } from './signing.ts';

/** What a capsule asks the engine to do. */
export interface CapsuleIntent {
  capability: string;
  action: string;
  payload: JsonObject;
  /** `capsule:<id>` */
  raw: string;
  timestamp: number;
  /** Dotted paths of `payload`, each standing for all beneath it, that came from another step's result. */
  untrusted: string[];
  origin: string;
}

/**
 * The action is `payload.action`, unless that came from a result, which never chooses what runs; else the capability
 * itself. The payload is `payload.payload` where that is an object, else all of `payload` but the `action` it named.
 * What came from another step's result is what the lineage says.
 */
export function capsuleToIntent(capsule: Capsule): CapsuleIntent {
  const untrusted = capsule.lineage?.paths ?? [];
  const { action: named, ...rest } = capsule.payload;
  const chosen = typeof named === 'string' && !untrusted.includes('action');
  const inner = innerPayload(capsule.payload);
  const wrapped = inner !== capsule.payload;
  const payload = chosen && !wrapped ? rest : inner;
  return {
    capability: capsule.requestedCapability,
    action: chosen ? named : capsule.requestedCapability,
    payload,
    raw: `capsule:${capsule.id}`,
    timestamp: capsule.timestamp,
    untrusted: wrapped ? innerPaths(untrusted, inner) : [...untrusted],
    origin: capsule.originIdentity,
  };
}

/** What the receipt of this capsule's execution has as `inputHash`; 64-hex. */
export function inputHashOf(crypto: Crypto, capsule: Capsule): string {
  return hashJson(crypto, capsuleToIntent(capsule).payload);
}

/** What a capability is handed of a capsule's payload, but for the `action`: `payload.payload` where that is an object. */
export function innerPayload(payload: JsonObject): JsonObject {
  return isObject(payload.payload) ? payload.payload : payload;
}

/** Paths within `payload.payload`; a result that is all of it makes each of its members untrusted. */
function innerPaths(untrusted: readonly string[], inner: JsonObject): string[] {
  const prefix = 'payload.';
  if (untrusted.includes('payload')) return Object.keys(inner);
  return untrusted.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
}

/** Whether the value at this dotted path is, or is within, something untrusted. */
export function isUntrusted(untrusted: readonly string[], path: string): boolean {
  return untrusted.some((root) => path === root || path.startsWith(`${root}.`));
}
