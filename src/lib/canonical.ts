import canonicalize from 'canonicalize';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/**
 * RFC 8785 canonical form of a value that is known to be I-JSON (`jsonProblem`). The text is written by
 * `JSON.stringify`, whose strings and numbers are those of the RFC (3.2.2); only the order of the members is made
 * here, which is several times faster than writing piece by piece, and what is in order already is not copied. Names
 * that an object would not keep in that order go to the library.
 */
export function canonicalText(value: JsonValue): string {
  const ordered = inOrder(value);
  const text = ordered === undefined ? canonicalize(value) : JSON.stringify(ordered);
  if (text === undefined) throw new TypeError('The value is not JSON.');
  return text;
}

/** The value with its members sorted by UTF-16 units (RFC 8785, 3.2.3); undefined where an object cannot be. */
function inOrder(value: JsonValue): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? arrayInOrder(value) : objectInOrder(value);
}

function arrayInOrder(items: JsonValue[]): JsonValue[] | undefined {
  let sorted = items;
  for (let index = 0; index < items.length; index++) {
    const item = items[index] ?? null;
    const ordered = inOrder(item);
    if (ordered === undefined) return undefined;
    if (ordered === item) continue;
    if (sorted === items) sorted = [...items];
    sorted[index] = ordered;
  }
  return sorted;
}

function objectInOrder(object: JsonObject): JsonObject | undefined {
  const names = Object.keys(object);
  let same = true;
  let before = '';
  for (const name of names) {
    if (isReordered(name)) return undefined;
    same &&= before <= name;
    before = name;
  }
  if (!same) names.sort();
  let sorted: JsonObject | null = same ? null : {};
  for (const name of names) {
    const member = object[name] ?? null;
    const ordered = inOrder(member);
    if (ordered === undefined) return undefined;
    // The members before this one were in order: only now is a copy needed.
    if (sorted === null && ordered !== member) sorted = { ...object };
    if (sorted !== null) sorted[name] = ordered;
  }
  return sorted ?? object;
}

/** Numbers come first in an object, whatever order they were set in; `__proto__` sets no member. */
function isReordered(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= DIGIT_0 && first <= DIGIT_9 ? /^\d+$/.test(name) : name === '__proto__';
}
