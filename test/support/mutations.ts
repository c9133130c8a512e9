import type { JsonValue } from '../../protocols/common/v1/schema.ts';

export type Path = readonly string[];

/** The path of every scalar, and of every empty object or array, in a JSON value. */
export function leavesOf(value: JsonValue, at: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [at];
  const members = Object.entries(value);
  return members.length === 0 ? [at] : members.flatMap(([name, member]) => leavesOf(member, [...at, name]));
}

/** A copy with the value at `path` replaced. */
export function replaceAt(value: JsonValue, path: Path, replacement: JsonValue): JsonValue {
  const [name, ...rest] = path;
  if (name === undefined) return replacement;
  if (value === null || typeof value !== 'object') throw new TypeError('The path leads nowhere.');
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === name ? replaceAt(item, rest, replacement) : item));
  return { ...value, [name]: replaceAt(value[name] ?? null, rest, replacement) };
}

/** The value at `path`. */
export function valueAt(value: JsonValue, path: Path): JsonValue {
  return path.reduce<JsonValue>((inner, name) => {
    if (inner === null || typeof inner !== 'object') throw new TypeError('The path leads nowhere.');
    return new Map(Object.entries(inner)).get(name) ?? null;
  }, value);
}

/** A document as plain JSON. */
export function plain(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value));
}

/** Steps of a capsule, so many levels of them inside each other. */
export function nestedSteps(levels: number): unknown {
  let next: unknown = null;
  for (let level = 0; level < levels; level++)
    next = [{ requestedCapability: 'a.b', payloadTemplate: {}, next }];
  return next;
}
