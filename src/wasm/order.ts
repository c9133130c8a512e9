import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import { isObject } from '../lib/json.ts';
import { DEFAULT_MEMORY_PAGES, DEFAULT_TIME_MS, MAX_MEMORY_PAGES, OPERATOR_LIMITS } from './limits.ts';

/** A day: no run takes longer. */
const MAX_TIME_MS = 86_400_000;
const MAX_ENTRIES = 1_024;
const HEX_32 = /^[0-9a-f]{64}$/;

/** Whose modules, or which, a node runs for others and for itself. */
export type Allowed = 'none' | 'all' | { hashes: ReadonlySet<string>; signers: ReadonlySet<string> };

/** The operator's section of the configuration. */
export interface WasmSettings {
  allow: Allowed;
  maxTimeMs: number;
  maxMemoryPages: number;
}

export interface RunLimits {
  timeMs: number;
  memoryPages: number;
}

/** Throws `config_invalid` with what is wrong. */
export function readSettings(config: JsonObject): WasmSettings {
  const { allow = false, ...limits } = config;
  const unknown = Object.keys(limits).find((name) => !Object.hasOwn(OPERATOR_LIMITS, name));
  if (unknown !== undefined)
    throw wrong(`"${unknown.slice(0, 64)}" is no setting: there are allow, maxTimeMs and maxMemoryPages`);
  return {
    allow: allowedBy(allow),
    maxTimeMs: whole(limits, 'maxTimeMs', MAX_TIME_MS),
    maxMemoryPages: whole(limits, 'maxMemoryPages', MAX_MEMORY_PAGES),
  };
}

/**
 * What a run may have: what its order asks for, else the same on every node, so that the result is the same. Throws
 * `permission_denied` where the operator allows less; time alone is cut where the order names none, for no result depends on it.
 */
export function limitsOf(payload: JsonObject, { maxTimeMs, maxMemoryPages }: WasmSettings): RunLimits {
  const { timeMs, memoryPages = DEFAULT_MEMORY_PAGES } = isObject(payload.limits) ? payload.limits : {};
  const time = timeMs ?? Math.min(DEFAULT_TIME_MS, maxTimeMs);
  return {
    timeMs: within(time, 'timeMs', maxTimeMs),
    memoryPages: within(memoryPages, 'memoryPages', maxMemoryPages),
  };
}

/** `signer` is asked only where it matters. */
export function allows(allow: Allowed, sha256: string, signer: () => string): boolean {
  if (allow === 'none' || allow === 'all') return allow === 'all';
  return allow.hashes.has(sha256) || (allow.signers.size > 0 && allow.signers.has(signer()));
}

function allowedBy(allow: JsonValue): Allowed {
  if (allow === false) return 'none';
  if (allow === 'all') return 'all';
  if (!isObject(allow)) throw wrong('"allow" is false, "all", or an object with "hashes" and "signers"');
  const { hashes = [], signers = [], ...others } = allow;
  const [other] = Object.keys(others);
  if (other !== undefined) throw wrong(`"allow" has hashes and signers, and no "${other.slice(0, 64)}"`);
  return { hashes: listOf(hashes, 'hashes'), signers: listOf(signers, 'signers') };
}

function listOf(value: JsonValue, name: string): ReadonlySet<string> {
  const texts = Array.isArray(value)
    ? value.filter((each) => typeof each === 'string' && HEX_32.test(each))
    : [];
  if (Array.isArray(value) && texts.length === value.length && texts.length <= MAX_ENTRIES)
    return new Set(texts.map(String));
  throw wrong(`"allow.${name}" is a list of at most ${MAX_ENTRIES} texts of 64 hex characters`);
}

function whole(limits: JsonObject, name: keyof typeof OPERATOR_LIMITS, most: number): number {
  const value = limits[name] ?? OPERATOR_LIMITS[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw wrong(`"${name}" is a whole number from 1 to ${most}`);
}

function within(value: JsonValue, name: string, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
    throw new MeshError('invalid_payload', `"limits.${name}" must be a whole number from 1 on.`);
  if (value <= most) return value;
  throw new MeshError(
    'permission_denied',
    `The order needs "limits.${name}" of ${value}; this node allows ${most}.`,
  );
}

function wrong(problem: string): MeshError {
  return new MeshError('config_invalid', `capabilities.settings.wasm: ${problem}.`);
}
