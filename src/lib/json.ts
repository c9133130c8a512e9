import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { canonicalText } from './canonical.ts';
import { MeshError } from './errors.ts';
import { findLosses, isNestedDeeper, type JsonProblem } from './json-scan.ts';

export interface JsonLimits {
  /** Bytes of UTF-8. */
  maxBytes: number;
  /** Objects and arrays inside each other; the outermost counts 1. */
  maxDepth: number;
}

/** In longer texts depth is counted before parsing: a megabyte of brackets takes the parser a third of a second. */
const SCAN_FIRST_CHARS = 16_384;
/** Canonical form recurses; far above what any document may have, far below what the stack holds. */
const MAX_CANONICAL_DEPTH = 512;

const BYTE_ORDER_MARK = '\ufeff';
const NOT_FINITE = 'is not a finite number';

const invalidJson = (message: string, detail?: unknown) => new MeshError('invalid_json', message, detail);

/**
 * Parses I-JSON from untrusted text or bytes. Throws `too_large` above `maxBytes` and
 * `invalid_json`, with the path where there is one, for anything but well-formed JSON in UTF-8 within `maxDepth`,
 * without repeated names, the name `__proto__`, lone surrogates or numbers that a double does not keep.
 */
export function parseJson(input: string | Uint8Array, limits: JsonLimits): JsonValue {
  const { value, unkept } = inspectJson(input, limits);
  if (unkept !== null) throw invalidJson(describeProblem('The JSON', unkept), { path: unkept.path });
  return value;
}

/**
 * The same, for a reader that has to answer what has a number that a double does not keep (`isKeptNumber`): the value
 * is handed back then for what it says of itself, and is not to be used.
 */
export function inspectJson(
  input: string | Uint8Array,
  limits: JsonLimits,
): { value: JsonValue; unkept: JsonProblem | null } {
  const text = typeof input === 'string' ? input : decode(input, limits.maxBytes);
  if (typeof input === 'string') checkTextSize(input, limits.maxBytes);
  if (text.length > SCAN_FIRST_CHARS && isNestedDeeper(text, limits.maxDepth))
    throw invalidJson('The JSON is nested too deeply.');
  const value = parseText(text);
  const found = jsonProblem(value, limits.maxDepth);
  // A number beyond all doubles has been read as Infinity; the walk below finds it as it was written.
  if (found !== null && found.problem !== NOT_FINITE)
    throw invalidJson(describeProblem('The JSON', found), { path: found.path });
  // What JSON.stringify wrote comes back the same, and then no name or digit can have been lost.
  if (found === null && JSON.stringify(value) === text) return { value, unkept: null };
  const { repeated, unkept } = findLosses(text);
  if (repeated !== null) throw invalidJson(describeProblem('The JSON', repeated), { path: repeated.path });
  return { value, unkept };
}

function decode(bytes: Uint8Array, maxBytes: number): string {
  if (bytes.length > maxBytes) throw tooLarge(bytes.length, maxBytes);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidJson('The JSON is not valid UTF-8.');
  }
}

function checkTextSize(text: string, maxBytes: number): void {
  // A UTF-16 unit is one to three bytes of UTF-8, so most texts need no counting.
  if (text.length * 3 <= maxBytes) return;
  const size = text.length > maxBytes ? text.length : new TextEncoder().encode(text).length;
  if (size > maxBytes) throw tooLarge(size, maxBytes);
}

function tooLarge(size: number, maxBytes: number): MeshError {
  return new MeshError('too_large', `The JSON has ${size} bytes or more; ${maxBytes} are allowed.`);
}

function parseText(text: string): JsonValue {
  if (text.startsWith(BYTE_ORDER_MARK)) throw invalidJson('The text begins with a byte order mark.');
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidJson(`The text is not JSON: ${reason.slice(0, 200)}.`);
  }
}

/** Null for plain JSON data that every implementation reads alike; else the first thing in the way. */
export function jsonProblem(value: unknown, maxDepth: number): JsonProblem | null {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? null : { path: '', problem: 'holds a lone surrogate' };
    case 'boolean':
      return null;
    case 'number':
      return Number.isFinite(value) ? null : { path: '', problem: NOT_FINITE };
    case 'object':
      return value === null ? null : containerProblem(value, maxDepth);
    default:
      return { path: '', problem: `is ${typeof value}, which JSON does not have` };
  }
}

function containerProblem(value: object, maxDepth: number): JsonProblem | null {
  if (maxDepth <= 0) return { path: '', problem: 'is nested too deeply' };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = jsonProblem(value[index], maxDepth - 1);
      if (found !== null) return within(String(index), found);
    }
    return null;
  }
  if (!isPlain(value)) return { path: '', problem: 'is not a plain object' };
  for (const name of Object.keys(value)) {
    if (name === '__proto__') return { path: name, problem: 'is a name that is not allowed' };
    const found = name.isWellFormed()
      ? jsonProblem(value[name], maxDepth - 1)
      : { path: '', problem: 'has a name with a lone surrogate' };
    if (found !== null) return within(name, found);
  }
  return null;
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function within(name: string, found: JsonProblem): JsonProblem {
  return { path: found.path === '' ? name : `${name}.${found.path}`, problem: found.problem };
}

/** One sentence, such as `The payload is not valid: "a.0" holds a lone surrogate.` */
export function describeProblem(subject: string, { path, problem }: JsonProblem): string {
  return path === ''
    ? `${subject} ${problem}.`
    : `${subject} is not valid: ${JSON.stringify(path.slice(0, 100))} ${problem}.`;
}

export function isJson(value: unknown): value is JsonValue {
  return jsonProblem(value, MAX_CANONICAL_DEPTH) === null;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 8785 canonical form. Throws `invalid_json` for what is not I-JSON: undefined, non-finite numbers and the like. */
export function canonicalJson(value: unknown): string {
  if (!isJson(value)) {
    const found = jsonProblem(value, MAX_CANONICAL_DEPTH) ?? { path: '', problem: 'is not JSON' };
    throw invalidJson(describeProblem('The value', found), { path: found.path });
  }
  return canonicalText(value);
}

/** Freezes a JSON value and everything in it; returns the same value. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
