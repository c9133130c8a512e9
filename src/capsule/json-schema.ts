import { Check, Compile, Errors, Meta } from 'typebox/schema';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';

/** Gives what is wrong with a value, in a few words with its place, or null. */
export type JsonSchemaCheck = (value: unknown) => string | null;

/**
 * Compiles a manifest's JSON Schema once. Throws an `Error` with a sentence for one that is no schema (draft 7
 * and the parts of 2020-12 that it shares), so that a typing slip is found at load and not as a refused payload.
 */
export function compileJsonSchema(schema: JsonObject): JsonSchemaCheck {
  // Interpreted: compiling the schema of schemas takes longer than all the checks of a start.
  const meta = Meta['http://json-schema.org/draft-07/schema#'];
  if (!Check(meta, schema)) throw new Error(`not a JSON Schema: ${firstProblem(Errors(meta, schema)[1])}`);
  const validator = Compile(schema);
  return (value) => (validator.Check(value) ? null : firstProblem(validator.Errors(value)[1]));
}

interface SchemaError {
  keyword: string;
  schemaPath: string;
  instancePath: string;
  message: string;
}

function firstProblem(errors: readonly SchemaError[]): string {
  const [first] = errors;
  if (first === undefined) return 'does not match';
  const { keyword, schemaPath, instancePath, message } = first;
  // What is forbidden is told as not matching the schema `false`, which helps nobody.
  if (keyword === 'boolean' && instancePath !== '') {
    const unknown = schemaPath.endsWith('/additionalProperties');
    return `"${instancePath}" ${unknown ? 'is not a known field' : 'is not allowed'}`;
  }
  return `${instancePath || 'the value'} ${message}`;
}
