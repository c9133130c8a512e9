import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import { isJson } from '../lib/json.ts';

const MARK = '$result';

export interface AppliedTemplate {
  /** Shares its parts with the result: treat both as frozen. */
  payload: JsonObject;
  /** Sorted dotted paths of the payload, each standing for all beneath it, that came from the result: data, never instructions. */
  untrusted: string[];
}

/**
 * Fills `$result` and `$result.<path>` (protocol "Template substitution"). Pure: the same template and result
 * always give the same, in whatever order their members are. Throws `template_path_missing` naming the path, and
 * `too_large` where what is filled in exceeds any capsule: a short template can ask for a large result many times over.
 */
export function applyTemplate(template: JsonObject, result: unknown): AppliedTemplate {
  const paths: string[] = [];
  const found = new Map<string, { value: JsonValue; chars: number }>();
  let filledChars = 0;

  function lookUp(reference: string, path: string): JsonValue {
    let entry = found.get(reference);
    if (entry === undefined) {
      const value = valueAt(result, reference);
      entry = { value, chars: JSON.stringify(value).length };
      found.set(reference, entry);
    }
    filledChars += entry.chars + path.length;
    if (filledChars > LIMITS.capsuleBytes)
      throw new MeshError('too_large', 'The next step would hold more of the result than a capsule may.');
    return entry.value;
  }

  function fill(value: JsonValue, path: string): JsonValue {
    if (typeof value === 'string') {
      if (value !== MARK && !value.startsWith(`${MARK}.`)) return value;
      paths.push(path);
      return lookUp(value, path);
    }
    if (Array.isArray(value)) return value.map((item, index) => fill(item, `${path}.${index}`));
    return value === null || typeof value !== 'object' ? value : fillObject(value, `${path}.`);
  }

  /** Names stay as they are, `fromEntries` sets no prototype. */
  function fillObject(object: JsonObject, prefix: string): JsonObject {
    return Object.fromEntries(
      Object.entries(object).map(([name, member]) => [name, fill(member, prefix + name)]),
    );
  }

  return { payload: fillObject(template, ''), untrusted: boundedPaths(paths) };
}

/** Beyond `LIMITS.lineagePaths` only the first parts of the paths, the members of the payload that hold them. */
function boundedPaths(paths: readonly string[]): string[] {
  const exact = new Set(paths);
  const named = exact.size <= LIMITS.lineagePaths ? exact : new Set(paths.map(firstPart));
  if (named.size > LIMITS.lineagePaths)
    throw new MeshError(
      'too_large',
      'The next step would take too many members of its payload from the result.',
    );
  return [...named].sort();
}

const firstPart = (path: string): string => path.split('.', 1)[0] ?? path;

/** Own properties and array indices only, so that no path reaches a prototype or a length. */
function valueAt(result: unknown, reference: string): JsonValue {
  let value: unknown = result;
  for (const part of reference.split('.').slice(1)) {
    if (typeof value !== 'object' || value === null || !hasMember(value, part)) throw missing(reference);
    value = Reflect.get(value, part);
  }
  if (!isJson(value)) throw missing(reference);
  return value;
}

function hasMember(container: object, part: string): boolean {
  return Object.hasOwn(container, part) && (!Array.isArray(container) || /^(0|[1-9][0-9]*)$/.test(part));
}

function missing(reference: string): MeshError {
  return new MeshError(
    'template_path_missing',
    `The result has nothing at ${JSON.stringify(reference.slice(0, 200))}.`,
    { path: reference.slice(0, 1000) },
  );
}
