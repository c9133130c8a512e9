import canonicalize from 'canonicalize';
import type { JsonValue } from '../../protocols/common/v1/schema.ts';

/** Names that objects list before all others, whatever order they were set in, and one that sets no member. */
const OUT_OF_ORDER = /^(?:\d+|__proto__)$/;

/**
 * RFC 8785 canonical form of a value that is known to be I-JSON (`jsonProblem`). The text is written by
 * `JSON.stringify`, whose strings and numbers are those of the RFC (3.2.2); only the order of the members is made
 * here, which is several times faster than writing piece by piece. Names that an object would not keep in that
 * order go to the library.
 */
export function canonicalText(value: JsonValue): string {
  const ordered = inOrder(value);
  const text = ordered === undefined ? canonicalize(value) : JSON.stringify(ordered);
  if (text === undefined) throw new TypeError('The value is not JSON.');
  return text;
}

/** The same value with its members sorted by UTF-16 units (RFC 8785, 3.2.3); undefined where an object cannot be. */
function inOrder(value: JsonValue): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? arrayInOrder(value) : objectInOrder(value);
}

function arrayInOrder(items: JsonValue[]): JsonValue[] | undefined {
  const sorted: JsonValue[] = [];
  for (const item of items) {
    const ordered = inOrder(item);
    if (ordered === undefined) return undefined;
    sorted.push(ordered);
  }
  return sorted;
}

function objectInOrder(object: { [name: string]: JsonValue }): JsonValue | undefined {
  const sorted: { [name: string]: JsonValue } = {};
  for (const name of Object.keys(object).sort()) {
    if (OUT_OF_ORDER.test(name)) return undefined;
    const ordered = inOrder(object[name] ?? null);
    if (ordered === undefined) return undefined;
    sorted[name] = ordered;
  }
  return sorted;
}
