import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { fail } from '../fail.ts';
import { isJsonObject } from '../payload.ts';

/** JSON of a schema, before and after its references were put in place. */
const MAX_SCHEMA_CHARS = 32_768;
const MAX_VALUES = 4_000;
const MAX_DEPTH = 32;
/** Patterns run on the node for as long as whoever wrote them likes. */
const PATTERNS = ['pattern', 'patternProperties'] as const;
const DYNAMIC = ['$dynamicRef', '$recursiveRef'] as const;

/**
 * A caller's JSON Schema with the references within it put in place, so that what it costs to check is what its size
 * says. Throws `invalid_payload` for one that is too large, refers to itself or elsewhere, or has patterns.
 */
export function answerSchema(value: JsonValue | undefined, name: string): JsonObject {
  if (!isJsonObject(value)) throw fail('invalid_payload', `"${name}" must be a JSON Schema.`);
  if (JSON.stringify(value).length > MAX_SCHEMA_CHARS) throw unfit(name, 'is too large');
  const schema = new Inliner(value, name).value(value, 0, []);
  if (!isJsonObject(schema)) throw unfit(name, 'is no object');
  return schema;
}

class Inliner {
  readonly #root: JsonObject;
  readonly #name: string;
  #values = 0;

  constructor(root: JsonObject, name: string) {
    this.#root = root;
    this.#name = name;
  }

  /** `within` are the references that are being followed. */
  value(value: JsonValue, depth: number, within: readonly string[]): JsonValue {
    if (++this.#values > MAX_VALUES || depth > MAX_DEPTH) throw unfit(this.#name, 'is too large');
    if (Array.isArray(value)) return value.map((each) => this.value(each, depth + 1, within));
    if (!isJsonObject(value)) return value;
    for (const word of PATTERNS) {
      const found = value[word];
      if (typeof found === 'string' || (word === 'patternProperties' && found !== undefined)) {
        throw unfit(this.#name, `has "${word}", which is not allowed`);
      }
    }
    for (const word of DYNAMIC) if (value[word] !== undefined) throw unfit(this.#name, `has "${word}"`);
    const { $ref: reference, $defs, definitions, ...rest } = value;
    const own = Object.entries(rest).map(
      ([key, each]) => [key, this.value(each, depth + 1, within)] as const,
    );
    if (typeof reference !== 'string') {
      // Properties may have these names; what is referred to is read from the root.
      const kept =
        depth === 0
          ? []
          : Object.entries({
              ...(reference !== undefined && { $ref: reference }),
              ...($defs !== undefined && { $defs }),
              ...(definitions !== undefined && { definitions }),
            });
      const inner = kept.map(([key, each]) => [key, this.value(each, depth + 1, within)] as const);
      return Object.fromEntries([...own, ...inner]);
    }
    if (within.includes(reference)) throw unfit(this.#name, 'refers to itself');
    const target = this.value(this.#target(reference), depth + 1, [...within, reference]);
    return own.length === 0 ? target : { allOf: [target, Object.fromEntries(own)] };
  }

  #target(reference: string): JsonValue {
    const [, group = '', key = ''] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(reference) ?? [];
    const definitions = Object.hasOwn(this.#root, group) ? this.#root[group] : undefined;
    const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
    const found =
      isJsonObject(definitions) && Object.hasOwn(definitions, name) ? definitions[name] : undefined;
    if (found === undefined)
      throw unfit(this.#name, `refers to ${reference.slice(0, 64)}, which is not in it`);
    return found;
  }
}

function unfit(name: string, clause: string): Error {
  return fail('invalid_payload', `The JSON Schema in "${name}" ${clause}.`);
}
