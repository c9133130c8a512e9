import { CAPSULE_VERSION, Capsule } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { checkOf } from '../lib/check.ts';
import { describeProblem, jsonProblem } from '../lib/json.ts';
import { canonicalBytes } from './capsule-signature.ts';
import { type Refused, refuse } from './outcome.ts';
import { expiryOf } from './roles.ts';
import { refuseByRules } from './rules.ts';

export interface CapsuleLimits {
  /** Bytes of the canonical form, `signer` not counted: who signs it does not make it another capsule. */
  capsuleBytes: number;
  jsonDepth: number;
}

export interface ValidateOptions {
  /** ms since the epoch by the receiver's clock. */
  now: number;
  limits?: CapsuleLimits;
  /** The structure has already been checked, as `parseExchangeMessage` does: do not check it twice. */
  schemaChecked?: boolean;
}

export type CapsuleCheck = { ok: true; capsule: Capsule } | Refused;

const schemaCheck = checkOf(Capsule);

/** Bytes that `"id":"…",` and `,"signature":"…"` add to the canonical form of the rest. */
const ID_AND_SIGNATURE_BYTES = 72 + 143;

/** A capsule in order, and the canonical bytes that its id is the hash of: made once for size and hash. */
export interface Prepared {
  ok: true;
  capsule: Capsule;
  bytes: Uint8Array;
}

/** Everything that needs no key (protocol "Capsule"): structure, size, depth, amounts, times. Never throws. */
export function validateCapsule(value: unknown, options: ValidateOptions): CapsuleCheck {
  const prepared = prepareCapsule(value, options);
  return prepared.ok ? { ok: true, capsule: prepared.capsule } : prepared;
}

/** The same, with the bytes that its id must be the hash of. Never throws. */
export function prepareCapsule(value: unknown, options: ValidateOptions): Prepared | Refused {
  const limits = options.limits ?? LIMITS;
  const checked = checkCapsuleStructure(value, { ...options, jsonDepth: limits.jsonDepth });
  if (!checked.ok) return checked;
  const { capsule } = checked;
  const refused = refuseByRules(capsule) ?? refuseTimes(capsule, options.now);
  if (refused !== null) return refused;
  const bytes = canonicalBytes(capsule);
  const size = bytes.length + ID_AND_SIGNATURE_BYTES;
  if (size > limits.capsuleBytes)
    return refuse('too_large', `The capsule has ${size} bytes; ${limits.capsuleBytes} are allowed.`, {
      size,
      limit: limits.capsuleBytes,
    });
  return { ok: true, capsule, bytes };
}

/** Plain JSON of bounded depth, version and schema only. Never throws. */
export function checkCapsuleStructure(
  value: unknown,
  options: { schemaChecked?: boolean; jsonDepth?: number } = {},
): CapsuleCheck {
  const problem = jsonProblem(value, options.jsonDepth ?? LIMITS.jsonDepth);
  if (problem !== null) return refuse('invalid_capsule', describeProblem('The capsule', problem));
  if (hasOtherVersion(value))
    return refuse('unsupported_version', `Only version ${CAPSULE_VERSION} of capsules is understood.`);
  if (!isCapsule(value, options.schemaChecked === true))
    return refuse('invalid_capsule', `The capsule is not valid: ${schemaCheck.explain(value)}.`);
  return { ok: true, capsule: value };
}

const isCapsule = (value: unknown, schemaChecked: boolean): value is Capsule =>
  schemaChecked || schemaCheck.accepts(value);

function hasOtherVersion(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('version' in value)) return false;
  return typeof value.version === 'number' && value.version !== CAPSULE_VERSION;
}

function refuseTimes(capsule: Capsule, now: number): Refused | null {
  const aheadMs = capsule.timestamp - now;
  if (aheadMs > LIMITS.clockSkewMs)
    return refuse('clock_skew', `The capsule's "timestamp" is ${aheadMs} ms ahead of this clock.`, {
      aheadMs,
    });
  const expiresAt = expiryOf(capsule);
  if (expiresAt <= now)
    return refuse('expired', `The capsule expired ${now - expiresAt} ms ago.`, { expiresAt });
  return null;
}
