import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import { isJson } from '../lib/json.ts';

const MARK = '$result';

export interface AppliedTemplate {
  payload: JsonObject;
  /** Dotted paths of the payload that came from the result: data, never instructions. */
  untrusted: string[];
}

/**
 * Fills `$result` and `$result.<path>` (protocol "Template substitution"). Pure: the same template and result
 * always give the same payload. Throws `template_path_missing` naming the path.
 */
export function applyTemplate(template: JsonObject, result: unknown): AppliedTemplate {
  const untrusted: string[] = [];

  function fill(value: JsonValue, path: readonly string[]): JsonValue {
    if (typeof value === 'string') {
      if (value !== MARK && !value.startsWith(`${MARK}.`)) return value;
      untrusted.push(path.join('.'));
      return lookUp(result, value);
    }
    if (Array.isArray(value)) return value.map((item, index) => fill(item, [...path, String(index)]));
    return value === null || typeof value !== 'object' ? value : fillObject(value, path);
  }

  function fillObject(object: JsonObject, path: readonly string[]): JsonObject {
    return Object.fromEntries(
      Object.entries(object).map(([name, member]) => [name, fill(member, [...path, name])]),
    );
  }

  return { payload: fillObject(template, []), untrusted };
}

/** Own properties and array indices only, so that no path reaches a prototype or a length. */
function lookUp(result: unknown, reference: string): JsonValue {
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
    { path: reference },
  );
}
